/// How the last block turns tokens into dense features: which projections decide the attention
/// weights with which content is aggregated (DeCLIP, arXiv 2505.04410, section 3; the modes of
/// the released implementation).
public enum DenseMode: String, Codable, Hashable, Sendable, CaseIterable {
  /// `softmax(s q q^T)`, DeCLIP's default.
  case qq
  /// `softmax(s k k^T)`.
  case kk
  /// `softmax(s v v^T)`.
  case vv
  /// `softmax(s q q^T) + softmax(s k k^T)`; rows add to 2.
  case csa
  /// `softmax(s (q q^T + k k^T + v v^T) / 3)`, EVA02 only.
  case all
  /// No attention: every token keeps its own content; residual and feed-forward are kept.
  case maskclip
  /// The ordinary block.
  case vanilla

  /// The modes that a family defines, the default first.
  public static func modes(of family: Family) -> [DenseMode] {
    switch family {
    case .clip: allCases.filter { $0 != .all }
    case .eva02: allCases
    }
  }

  /// The projections of the last block that the mode computes with.
  public var projections: Set<BlockLayer> {
    switch self {
    case .qq: [.query, .value]
    case .kk: [.key, .value]
    case .vv, .maskclip: [.value]
    case .csa, .all, .vanilla: [.query, .key, .value]
    }
  }

  /// Whether the mode keeps the last block's feed-forward network.
  public var keepsFeedForward: Bool { self == .maskclip || self == .vanilla }

  /// Whether everything that `other` computes with is there in a model exported for this mode.
  public func covers(_ other: DenseMode) -> Bool {
    other.projections.isSubset(of: projections) && (keepsFeedForward || !other.keepsFeedForward)
  }

  /// Whether a model exported for this mode has a layer of the last block.
  func has(_ layer: BlockLayer) -> Bool {
    switch layer {
    case .query, .key, .value: projections.contains(layer)
    case .norm1, .attentionNorm, .attentionOutput: true
    case .norm2, .gate, .up, .hiddenNorm, .down: keepsFeedForward
    }
  }
}
