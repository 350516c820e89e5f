import Model

/// Which steps of a plan multiply bytes, and which stay in float32.
struct LayerPrecision {
  private let weights: Int8Weights
  /// The tensors that the plan computes with.
  private let roles: Set<TensorRole>

  init(_ plan: Plan, _ weights: Int8Weights) {
    self.weights = weights
    roles = plan.roles
  }

  /// What the float engine does of a step: all of what feeds no product, of layers that the model
  /// has in floats, and of the head, a hundredth of the work that would cost most of the fidelity.
  func floatShare(of step: Step) -> FloatDuty.Share {
    switch step.operation {
    case .embedTokens, .copy, .gatherEnds: .all
    case .embedPatches: weights.hasMatrix(.patchEmbedding(.weight)) ? .none : .all
    case .linear(let layer, _, _, _, _):
      weights.hasMatrix(layer.role(.vision, .weight)) ? .none : .all
    case .gatedLinear:
      switch (isInt8(.gate, step), isInt8(.up, step)) {
      case (true, true): .none
      case (false, true): .gate
      case (true, false): .up
      case (false, false): .all
      }
    // Layers in int8 that read the same rows as one in float quantise what the norm leaves.
    case .layerNorm(let layer, _, _):
      layer.isInBlock && readers(of: layer).allSatisfy(weights.hasMatrix) ? .none : .all
    case .rotate, .attend: .none
    }
  }

  /// The steps that are done together for some rows before others, by a number for every step.
  func phases(of plan: Plan) -> [Int] {
    var phases: [Int] = []
    var isOpen = false
    for step in plan.steps {
      let isOnRows = floatShare(of: step) == .none && step.kind != .attention
      phases.append((phases.last ?? 0) + (isOnRows && isOpen ? 0 : 1))
      isOpen = isOnRows
    }
    return phases
  }

  private func isInt8(_ layer: BlockLayer, _ step: Step) -> Bool {
    weights.hasMatrix(.block(.vision, index: step.block ?? 0, layer, .weight))
  }

  /// The weights that the plan multiplies the rows of a block's norm by.
  func readers(of norm: Step.Layer) -> [TensorRole] {
    guard case .block(let index, let layer) = norm else { return [] }
    let layers: [BlockLayer] =
      switch layer {
      case .norm1: [.query, .key, .value]
      case .attentionNorm: [.attentionOutput]
      case .norm2: [.gate, .up]
      default: [.down]
      }
    return layers.map { .block(.vision, index: index, $0, .weight) }.filter(roles.contains)
  }
}
