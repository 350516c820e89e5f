import Model

/// The steps that take a tower from its input to the outputs asked for, and the memory they share.
///
/// A plan depends on the architecture, the input's size, the mode and the outputs, and on nothing
/// numeric: every engine walks the same plan, so that engines can be compared step by step.
public struct Plan: Sendable {
  /// The tower that the plan computes.
  public let tower: Tower
  /// The blocks' description.
  public let transformer: Transformer
  /// The patches of the input; nil for text.
  public let grid: Grid?
  /// The most token rows, class token included.
  public let rows: Int
  /// The side of a patch in pixels; nil for text.
  public let patchSize: Int?
  /// The size of the shared space.
  public let embeddingSize: Int
  /// What is computed, in order.
  public let steps: [Step]
}

/// One operation of a plan, from one buffer to another.
public struct Step: Hashable, Sendable {
  /// What is computed.
  public let operation: Operation
  /// The rows of tokens that it is computed for.
  public let rows: RowSet
  /// The block it belongs to; nil before the first and after the last.
  public let block: Int?

  /// The tower's input embedding, a norm, a linear layer: a layer with tensors of its own.
  public enum Layer: Hashable, Sendable {
    /// The LayerNorm before the first block.
    case preNorm
    /// A layer of a block.
    case block(Int, BlockLayer)
    /// The LayerNorm after the last block.
    case norm
    /// The projection to the shared space.
    case projection
  }

  /// What a step computes.
  public enum Operation: Hashable, Sendable {
    /// Pixels to tokens: patch convolution, class token, positions.
    case embedPatches
    /// Token ids to tokens: embedding, positions.
    case embedTokens
    /// LayerNorm over the columns of each row.
    case layerNorm(Layer, from: Slot, to: Slot)
    /// `to = activation(from W^T + b)`, or `to += from W^T + b` where it accumulates.
    case linear(Layer, from: Slot, to: Slot, activation: Activation?, accumulates: Bool)
    /// `to = silu(from G^T + g) * (from U^T + u)` with the block's gate and up layers.
    case gatedLinear(from: Slot, to: Slot)
    /// Rotary positions applied in place to all patch rows.
    case rotate(Slot)
    /// Attention: rows of weights by `AttentionWeights`, applied to the values.
    case attend(AttentionWeights, to: Slot)
    /// A copy of rows.
    case copy(from: Slot, to: Slot)
    /// The row of each text's end token, one after the other.
    case gatherEnds(from: Slot, to: Slot)
  }
}

/// The rows of tokens that a step is computed for.
public enum RowSet: Hashable, Sendable {
  /// Every row.
  case all
  /// The class token alone.
  case classToken
  /// The rows of patches, without the class token.
  case patches
  /// One row for each text.
  case texts
}

/// Which products decide the weights of attention.
public enum AttentionWeights: Hashable, Sendable {
  /// `softmax(q k^T / sqrt(d))`, causal in text towers.
  case ordinary
  /// The sum over `sources` of `softmax(scale x x^T)`: qq, kk, vv and csa.
  case sumOfSoftmax([Slot], scale: Float)
  /// `softmax(scale * sum x x^T)`, the sum being over `sources`: all.
  case softmaxOfSum([Slot], scale: Float)
}

/// A buffer of a plan: rows of float or quantised values.
public enum Slot: Int, Hashable, Sendable, CaseIterable {
  /// The pixels of each patch, one row a patch.
  case patches
  /// The residual stream.
  case tokens
  /// The residual stream of the decoupled block, where the ordinary one is needed too.
  case branch
  /// The result of a block's LayerNorm.
  case normalized
  /// Queries, heads side by side.
  case query
  /// Keys, heads side by side.
  case key
  /// Values, heads side by side.
  case value
  /// Values aggregated by attention.
  case aggregated
  /// The feed-forward network's inner result.
  case hidden
  /// The second operand of a gated feed-forward network.
  case gateOperand
  /// Working memory of attention, one row a thread.
  case scores
  /// Output: dense features `[patches, embedding]`.
  case dense
  /// Output: content features, the values of the last block, `[patches, width]`.
  case content
  /// Output: context features, the queries of the last block, `[patches, width]`.
  case context
  /// Output: the embedding of the whole input, `[1 or texts, embedding]`.
  case embedding

  /// Whether row 0 is the first patch rather than the class token.
  var holdsPatchesOnly: Bool {
    switch self {
    case .patches, .dense, .content, .context: true
    default: false
    }
  }

  /// Whether the caller reads the slot after a run.
  var isOutput: Bool {
    switch self {
    case .dense, .content, .context, .embedding: true
    default: false
    }
  }
}
