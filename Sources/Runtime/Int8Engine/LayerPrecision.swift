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

  /// Whether the float engine does a step: what feeds no product, layers that the model has in
  /// floats, and the head, a hundredth of the work that would cost most of the fidelity.
  func isFloat(_ step: Step) -> Bool {
    switch step.operation {
    case .embedTokens, .copy, .gatherEnds: true
    case .embedPatches: !weights.hasMatrix(.patchEmbedding(.weight))
    case .linear(let layer, _, _, _, _): !weights.hasMatrix(layer.role(.vision, .weight))
    case .gatedLinear: !gatedPair(step).contains(where: weights.hasMatrix)
    // Layers in int8 that read the same rows as one in float quantise what the norm leaves.
    case .layerNorm(let layer, _, _):
      !layer.isInBlock || !readers(of: layer).allSatisfy(weights.hasMatrix)
    case .rotate, .attend: false
    }
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

  /// The weights of a gated network's first layers.
  func gatedPair(_ step: Step) -> [TensorRole] {
    [BlockLayer.gate, .up].map { .block(.vision, index: step.block ?? 0, $0, .weight) }
  }
}
