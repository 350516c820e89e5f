import Model

/// Linear layers of the vision tower that read the same rows, and so share how these are quantised.
public struct InputGroup: Hashable, Sendable {
  /// Which rows the layers read.
  public enum Kind: String, Hashable, Sendable, CaseIterable, Codable {
    /// Query, key and value: the block's first norm.
    case projections = "q/k/v"
    /// The projection after attention.
    case attentionOutput = "attention out"
    /// Gate and up: the block's second norm.
    case feedForward = "mlp up"
    /// The feed-forward network's last layer.
    case down = "mlp down"
  }

  /// The block.
  public let block: Int
  /// Which rows of the block.
  public let kind: Kind
  /// The layers of the block that read them.
  public let layers: [BlockLayer]
  /// What makes the rows, where scales and offsets of channels can be moved into it exactly; nil
  /// behind a nonlinearity.
  public let source: BlockLayer?
  /// The channels of a row.
  public let width: Int

  /// The layers' weights.
  public var weights: [TensorRole] { layers.map { role($0, .weight) } }

  /// A tensor of the block.
  func role(_ layer: BlockLayer, _ parameter: Parameter) -> TensorRole {
    .block(.vision, index: block, layer, parameter)
  }
}

extension InputGroup: CustomStringConvertible, Comparable {
  /// Such as `block[3] q/k/v`.
  public var description: String { "block[\(block)] \(kind.rawValue)" }

  private var order: Int { block * Kind.allCases.count + (Kind.allCases.firstIndex(of: kind) ?? 0) }

  /// The order in which a model computes.
  public static func < (a: InputGroup, b: InputGroup) -> Bool { a.order < b.order }
}

extension Architecture {
  /// The groups of linear layers in the vision tower's blocks, in the order of computation.
  public var inputGroups: [InputGroup] {
    let roles = Set(tensors.map(\.role))
    let transformer = vision.transformer
    return (0..<transformer.layers).flatMap { block in
      InputGroup.Kind.allCases.compactMap { kind -> InputGroup? in
        let layers = kind.layers.filter {
          roles.contains(.block(.vision, index: block, $0, .weight))
        }
        guard !layers.isEmpty else { return nil }
        return InputGroup(
          block: block, kind: kind, layers: layers, source: source(of: kind, block: block),
          width: kind == .down ? transformer.hiddenSize : transformer.width)
      }
    }
  }

  private func source(of kind: InputGroup.Kind, block: Int) -> BlockLayer? {
    let transformer = vision.transformer
    switch kind {
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
  /// The layers that read such rows.
  fileprivate var layers: [BlockLayer] {
    switch self {
    case .projections: [.query, .key, .value]
    case .attentionOutput: [.attentionOutput]
    case .feedForward: [.gate, .up]
    case .down: [.down]
    }
  }
}
