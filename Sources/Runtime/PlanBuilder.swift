import Model

/// Collects the steps of a plan; shared by the vision and the text tower.
struct PlanBuilder {
  let transformer: Transformer
  private(set) var steps: [Step] = []

  init(_ transformer: Transformer) {
    self.transformer = transformer
  }

  mutating func add(_ operation: Step.Operation, rows: RowSet = .all, block: Int? = nil) {
    steps.append(Step(operation: operation, rows: rows, block: block))
  }

  mutating func layerNorm(
    _ layer: Step.Layer, from source: Slot, to target: Slot, rows: RowSet = .all,
    block: Int? = nil
  ) {
    add(.layerNorm(layer, from: source, to: target), rows: rows, block: block)
  }

  mutating func linear(
    _ layer: Step.Layer, from source: Slot, to target: Slot, rows: RowSet = .all,
    block: Int? = nil, activation: Activation? = nil, accumulates: Bool = false
  ) {
    add(
      .linear(
        layer, from: source, to: target, activation: activation, accumulates: accumulates),
      rows: rows, block: block)
  }

  /// The block's first norm and the projections named.
  mutating func project(_ slots: [Slot], block: Int) {
    layerNorm(.block(block, .norm1), from: .tokens, to: .normalized, block: block)
    for slot in slots {
      let layer: BlockLayer =
        switch slot {
        case .query: .query
        case .key: .key
        default: .value
        }
      linear(.block(block, layer), from: .normalized, to: slot, block: block)
    }
  }

  /// An ordinary block's attention from projected queries, keys and values to the residual.
  mutating func ordinaryAttention(block: Int, rows: RowSet, rotates: Bool) {
    if rotates {
      add(.rotate(.query), block: block)
      add(.rotate(.key), block: block)
    }
    add(.attend(.ordinary, to: .aggregated), rows: rows, block: block)
    attentionOutput(
      from: .aggregated, to: .tokens, block: block, rows: rows, accumulates: true)
  }

  /// The projection after attention, with its norm where the family has one.
  mutating func attentionOutput(
    from source: Slot, to target: Slot, block: Int, rows: RowSet, accumulates: Bool
  ) {
    var source = source
    if transformer.hasSubLayerNorm {
      layerNorm(
        .block(block, .attentionNorm), from: source, to: .aggregated, rows: rows, block: block)
      source = .aggregated
    }
    linear(
      .block(block, .attentionOutput), from: source, to: target, rows: rows, block: block,
      accumulates: accumulates)
  }

  /// The feed-forward network of a block, added to the residual stream `stream`.
  mutating func feedForward(block: Int, stream: Slot, rows: RowSet) {
    layerNorm(.block(block, .norm2), from: stream, to: .normalized, rows: rows, block: block)
    if transformer.isGated {
      add(.gatedLinear(from: .normalized, to: .hidden), rows: rows, block: block)
    } else {
      linear(
        .block(block, .up), from: .normalized, to: .hidden, rows: rows, block: block,
        activation: transformer.activation)
    }
    if transformer.hasSubLayerNorm {
      layerNorm(.block(block, .hiddenNorm), from: .hidden, to: .hidden, rows: rows, block: block)
    }
    linear(
      .block(block, .down), from: .hidden, to: stream, rows: rows, block: block,
      accumulates: true)
  }

  /// A whole ordinary block on all rows.
  mutating func block(_ index: Int, rotates: Bool) {
    project([.query, .key, .value], block: index)
    ordinaryAttention(block: index, rows: .all, rotates: rotates)
    feedForward(block: index, stream: .tokens, rows: .all)
  }

  /// The norm after the last block and the projection to the shared space.
  mutating func head(from stream: Slot, to output: Slot, rows: RowSet) {
    layerNorm(.norm, from: stream, to: .normalized, rows: rows)
    linear(.projection, from: .normalized, to: output, rows: rows)
  }
}
