import Model

// What is done for `MemoryChecks`; nothing without them.
extension Int8Engine {
  /// Erases all memory but that of blocks, whose threads do it, before a run.
  func eraseMemory() {
    guard checks != nil else { return }
    float.eraseArena()
    scores?.erase()
    wholeMemory?.erase(worker: 0)
  }

  /// Erases what is not needed behind `steps`.
  func eraseContents(endingIn steps: Range<Int>) {
    guard checks != nil else { return }
    float.eraseContents(endingIn: steps)
    if case .attend(let attention) = work[steps.lowerBound], attention.readsWords {
      scores?.erase()
    }
    guard let wholeMemory else { return }
    for step in steps { eraseRows(of: wholeMemory, worker: 0, endingWith: step) }
  }

  /// Erases a block's memory, before a thread takes rows through some steps.
  func eraseRows(of block: RowBlock) {
    guard checks != nil, !block.memory.isWhole else { return }
    block.memory.erase(worker: block.worker)
  }

  /// Erases the slots of a block whose contents end with a step.
  func eraseRows(of block: RowBlock, endingWith step: Int) {
    guard checks != nil, !block.memory.isWhole else { return }
    eraseRows(of: block.memory, worker: block.worker, endingWith: step)
  }

  private func eraseRows(of memory: RowMemory, worker: Int, endingWith step: Int) {
    for (slot, extents) in layout.extents
    where float.lifetimes[slot]?.contains(where: { $0.upperBound == step }) ?? false {
      for extent in extents { memory.erase(extent, worker: worker) }
    }
  }
}

extension Int8Engine {
  /// Looks at the rows that a step of attention is about to read.
  func checkReads(of attention: Int8Attention, _ index: Int) {
    guard let checks else { return }
    let step = plan.steps[index]
    for slot in plan.reads(step) where !isWritten(slot, attention) {
      checks.report(.reads, slot, step: index, of: plan)
    }
  }

  private func isWritten(_ slot: Slot, _ attention: Int8Attention) -> Bool {
    switch (slot, attention.products.first?.operands) {
    case (.query, .words(let queries, _)): queries.areWritten(0..<plan.rows)
    case (.key, .words(_, let keys)): keys.areWritten(0..<plan.rows)
    default: float.isWritten(slot, .all)
    }
  }

  /// Looks at the rows of a block that an operation of a step is about to read.
  func checkReads(of operation: RowOperation, _ step: Int, _ rows: RowSet, in block: RowBlock) {
    guard checks != nil else { return }
    check(.reads, operation.reads(in: plan.steps[step], of: plan), step, rows, in: block)
  }

  /// Looks at the rows of a block that an operation of a step made.
  func checkResult(of operation: RowOperation, _ step: Int, _ rows: RowSet, in block: RowBlock) {
    guard checks != nil else { return }
    check(.makes, operation.results(in: plan.steps[step], of: plan), step, rows, in: block)
  }

  private func check(
    _ access: MemoryFinding.Access, _ operands: [RowOperand], _ step: Int, _ rows: RowSet,
    in block: RowBlock
  ) {
    let rows = float.range(rows).clamped(to: block.rows)
    for operand in operands where !operand.rows.areWritten(rows, in: block) {
      checks?.report(access, operand.slot, step: step, of: plan)
    }
  }
}

/// Rows that a row operation reads or makes, and the slot that they belong to.
private struct RowOperand {
  let slot: Slot
  let rows: Rows

  enum Rows {
    case floats(FloatRows, columns: Int)
    case bytes(QuantizedRows, columns: Int)
    case words(ScoreRows)

    /// Whether rows of a block were all written since their memory was erased.
    func areWritten(_ rows: Range<Int>, in block: RowBlock) -> Bool {
      switch self {
      case .floats(let floats, let columns):
        let matrix = floats.matrix(in: block)
        return rows.allSatisfy { token in
          !UnsafeBufferPointer(start: matrix.row(token), count: columns).contains(where: \.isNaN)
        }
      case .bytes(let bytes, let columns):
        return rows.allSatisfy { bytes.isWritten($0, columns: columns, in: block) }
      case .words(let words): return words.areWritten(rows)
      }
    }
  }
}

extension RowOperation {
  /// What the operation reads as part of a step.
  fileprivate func reads(in step: Step, of plan: Plan) -> [RowOperand] {
    let source = plan.reads(step).first ?? .patches
    let target = step.target ?? source
    switch self {
    case .layOut: return []
    case .normalize(let step):
      return [.init(slot: source, rows: .floats(step.source, columns: step.columns))]
    case .quantize(let step):
      return [.init(slot: source, rows: .floats(step.source, columns: step.columns))]
    case .multiply(let product):
      let bytes = RowOperand(
        slot: source, rows: .bytes(product.source, columns: product.layer.inputs))
      return product.result.keepsTarget
        ? [bytes] + results(in: step, of: plan) : [bytes]
    case .quantizeHeads(let step):
      return [.init(slot: target, rows: .floats(step.source, columns: step.target.width))]
    case .gate(_, let operand, let columns):
      return results(in: step, of: plan)
        + [.init(slot: .gateOperand, rows: .floats(operand, columns: columns))]
    }
  }

  /// What the operation makes as part of a step.
  fileprivate func results(in step: Step, of plan: Plan) -> [RowOperand] {
    let source = plan.reads(step).first ?? .patches
    let target = step.target ?? source
    switch self {
    case .layOut(let layer, let patches):
      return [
        .init(slot: .patches, rows: .floats(patches, columns: plan.width(of: .patches))),
        .init(
          slot: .tokens,
          rows: .floats(.shared(layer.tokens), columns: plan.width(of: .tokens))),
      ]
    case .normalize(let step):
      return [.init(slot: target, rows: .bytes(step.target, columns: step.columns))]
    case .quantize(let step):
      return [.init(slot: source, rows: .bytes(step.target, columns: step.columns))]
    case .multiply(let product):
      return [
        .init(slot: target, rows: .floats(product.target, columns: product.layer.outputs))
      ]
    case .quantizeHeads(let step): return [.init(slot: target, rows: .words(step.target))]
    case .gate(let rows, _, let columns):
      return [.init(slot: target, rows: .floats(rows, columns: columns))]
    }
  }
}

extension Int8Product.Result {
  /// Whether the product reads what its target holds.
  fileprivate var keepsTarget: Bool {
    switch self {
    case .add, .gate: true
    case .store, .activate: false
    }
  }
}

extension Int8Attention {
  /// Whether queries and keys were quantised behind their projections.
  fileprivate var readsWords: Bool {
    if case .words = products.first?.operands { true } else { false }
  }
}
