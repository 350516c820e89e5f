import Model

extension Step {
  /// What is computed, as reports name it: a layer by its role, such as `mlp.down`.
  public var name: String {
    switch operation {
    case .embedPatches: "patch embedding"
    case .embedTokens: "token embedding"
    case .layerNorm(let layer, _, _), .linear(let layer, _, _, _, _): layer.name
    case .gatedLinear: "mlp.gate * up"
    case .rotate(let slot): "rotate \(slot)"
    case .attend(.ordinary, _): "attend q k"
    case .attend(.sumOfSoftmax(let sources, _), _): "attend \(Self.pairs(sources))"
    case .attend(.softmaxOfSum(let sources, _), _): "attend \(Self.pairs(sources)), one softmax"
    case .copy(_, let target): "copy to \(target)"
    case .gatherEnds: "gather end tokens"
    }
  }

  /// `q q + k k` of queries and keys.
  private static func pairs(_ sources: [Slot]) -> String {
    sources.map { slot in
      let letter = "\(slot)".prefix(1)
      return "\(letter) \(letter)"
    }.joined(separator: " + ")
  }
}

extension Step.Layer {
  fileprivate var name: String {
    switch self {
    case .preNorm: "pre norm"
    case .block(_, let layer): layer.rawValue
    case .norm: "norm"
    case .projection: "projection"
    }
  }
}
