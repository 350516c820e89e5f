import Model

/// The part of a network that a step belongs to, as reports name it.
public enum StepKind: String, Sendable, CaseIterable {
  /// Patch convolution or token embedding, class token and positions.
  case embedding
  /// Every LayerNorm.
  case norm
  /// The query, key and value projections.
  case projections = "q/k/v"
  /// Rotary positions.
  case rotation
  /// Scores, softmax and aggregation.
  case attention
  /// The projection after attention.
  case attentionOutput = "attention out"
  /// The feed-forward network's linear layers and nonlinearity.
  case feedForward = "mlp"
  /// The projection to the shared space.
  case head
  /// Copies to outputs.
  case copies
}

/// How the cost of a part of a network grows with the tokens of its input.
public enum CostGrowth: String, Sendable, CaseIterable {
  /// Products of every token with weights: in proportion to the tokens.
  case linear
  /// Products of every token with every other: with the square of the tokens.
  case attention
  /// Everything without a product: in proportion to the tokens.
  case rest
}

extension StepKind {
  /// How the part's cost grows.
  public var growth: CostGrowth {
    switch self {
    case .embedding, .projections, .attentionOutput, .feedForward, .head: .linear
    case .attention: .attention
    case .norm, .rotation, .copies: .rest
    }
  }
}

extension Step {
  /// The part of the network that the step belongs to.
  public var kind: StepKind {
    switch operation {
    case .embedPatches, .embedTokens: .embedding
    case .layerNorm: .norm
    case .linear(.block(_, .query), _, _, _, _), .linear(.block(_, .key), _, _, _, _),
      .linear(.block(_, .value), _, _, _, _):
      .projections
    case .linear(.block(_, .attentionOutput), _, _, _, _): .attentionOutput
    case .linear(.block, _, _, _, _), .gatedLinear: .feedForward
    case .linear: .head
    case .rotate: .rotation
    case .attend: .attention
    case .copy, .gatherEnds: .copies
    }
  }
}

extension AttentionWeights {
  /// How often values are multiplied by weights.
  fileprivate var products: Int {
    switch self {
    case .ordinary, .softmaxOfSum: 1
    case .sumOfSoftmax(let sources, _): sources.count
    }
  }

  /// How often rows of a head's size are multiplied for scores.
  fileprivate var scoreProducts: Int {
    switch self {
    case .ordinary: 1
    case .sumOfSoftmax(let sources, _), .softmaxOfSum(let sources, _): sources.count
    }
  }
}

extension Plan {
  /// The multiply-adds of a step of attention, by what they make; zero for all other steps.
  public func attentionMultiplyAdds(of step: Step) -> (scores: Int, values: Int) {
    guard case .attend(let weights, _) = step.operation else { return (0, 0) }
    let each = multiplyAdds(of: step) / (weights.products + weights.scoreProducts)
    return (each * weights.scoreProducts, each * weights.products)
  }

  /// Multiplications followed by an addition that a vision step's matrix products need; zero for
  /// steps without a product.
  public func multiplyAdds(of step: Step) -> Int {
    let count =
      switch step.rows {
      case .all: rows
      case .patches: rows - 1
      case .classToken, .texts: 1
      }
    switch step.operation {
    case .embedPatches: return (rows - 1) * width(of: .patches) * transformer.width
    case .linear(_, let source, let target, _, _):
      return count * width(of: source) * width(of: target)
    case .gatedLinear: return 2 * count * transformer.width * transformer.hiddenSize
    case .attend(let weights, _):
      return (weights.products + weights.scoreProducts) * count * rows * transformer.width
    case .embedTokens, .layerNorm, .rotate, .copy, .gatherEnds: return 0
    }
  }
}
