import Model

/// Linear layers of the vision tower that read the same rows, and so share how these are quantised.
public struct InputGroup: Hashable, Sendable {
  /// Which rows the layers read.
  public enum Kind: String, Hashable, Sendable, CaseIterable, Codable {
    /// The patches' pixels.
    case patchEmbedding = "patches"
    /// Query, key and value: the block's first norm.
    case projections = "q/k/v"
    /// The projection after attention.
    case attentionOutput = "attention out"
    /// Gate and up: the block's second norm.
    case feedForward = "mlp up"
    /// The feed-forward network's last layer.
    case down = "mlp down"
  }

  /// Which rows.
  public let kind: Kind
  /// The block; nil for the patch embedding.
  public let block: Int?
  /// The weights of the layers that read them.
  public let weights: [TensorRole]
  /// The weight of what makes the rows, a norm or a linear layer, where scales and offsets of
  /// channels can be moved into it exactly; nil behind a nonlinearity.
  public let source: TensorRole?
  /// The channels of a row.
  public let width: Int
}

extension InputGroup: CustomStringConvertible, Comparable {
  /// Such as `block[3] q/k/v`.
  public var description: String { (block.map { "block[\($0)] " } ?? "") + kind.rawValue }

  private var order: Int {
    (block ?? -1) * InputGroup.Kind.allCases.count
      + (InputGroup.Kind.allCases.firstIndex(of: kind) ?? 0)
  }

  /// The order in which a model computes.
  public static func < (a: InputGroup, b: InputGroup) -> Bool { a.order < b.order }
}

extension InputGroup {
  /// Whether the layers can read rows of 14 and 15 bits.
  var canBeWide: Bool { weights.allSatisfy(\.canReadWideRows) }
}

extension Architecture {
  /// The groups of the vision tower's linear layers before the head, in the order of computation.
  public var inputGroups: [InputGroup] {
    let known = Set(tensors.map(\.role))
    let transformer = vision.transformer
    var groups = [
      InputGroup(
        kind: .patchEmbedding, block: nil, weights: [.patchEmbedding(.weight)], source: nil,
        width: 3 * vision.patchSize * vision.patchSize)
    ]
    for block in 0..<transformer.layers {
      for kind in InputGroup.Kind.allCases {
        let weights = kind.layers
          .map { TensorRole.block(.vision, index: block, $0, .weight) }
          .filter(known.contains)
        guard !weights.isEmpty else { continue }
        groups.append(
          InputGroup(
            kind: kind, block: block, weights: weights,
            source: source(of: kind, block).map {
              .block(.vision, index: block, $0, .weight)
            },
            width: kind == .down ? transformer.hiddenSize : transformer.width))
      }
    }
    return groups
  }

  private func source(of kind: InputGroup.Kind, _ block: Int) -> BlockLayer? {
    let transformer = vision.transformer
    switch kind {
    case .patchEmbedding: return nil
    case .projections: return .norm1
    case .feedForward: return .norm2
    case .attentionOutput:
      if transformer.hasSubLayerNorm { return .attentionNorm }
      // Attention is linear in its values and its rows add up to 1, but for the last block: there
      // values may decide the weights too, rows may add up to 2, and content is an output.
      return block < transformer.layers - 1 ? .value : nil
    case .down:
      return transformer.hasSubLayerNorm ? .hiddenNorm : nil
    }
  }
}

extension InputGroup.Kind {
  /// The layers of a block that read such rows.
  fileprivate var layers: [BlockLayer] {
    switch self {
    case .patchEmbedding: []
    case .projections: [.query, .key, .value]
    case .attentionOutput: [.attentionOutput]
    case .feedForward: [.gate, .up]
    case .down: [.down]
    }
  }
}

extension TensorRole {
  /// The weight of the layer before the vision tower's head that a tensor belongs to; nil for other
  /// tensors.
  var weight: TensorRole? {
    switch self {
    case .block(.vision, let index, let layer, _):
      .block(.vision, index: index, layer, .weight)
    case .patchEmbedding: .patchEmbedding(.weight)
    default: nil
    }
  }

  /// The bias of the same layer.
  var bias: TensorRole? {
    switch self {
    case .block(.vision, let index, let layer, _):
      .block(.vision, index: index, layer, .bias)
    case .patchEmbedding: .patchEmbedding(.bias)
    default: nil
    }
  }
}
