import Model

// What is done for `MemoryChecks`; nothing without them.
extension FloatEngine {
  /// Erases all slots, before a run.
  func eraseArena() {
    guard checks != nil else { return }
    MemoryChecks.erase(arena.base, count: arena.count)
  }

  /// Erases the slots whose contents begin in `steps`, before these are done.
  func eraseContents(beginningIn steps: Range<Int>) {
    eraseContents { ranges in
      ranges.contains { steps.contains($0.lowerBound) }
        && !ranges.contains { $0.contains(steps.lowerBound) && $0.lowerBound < steps.lowerBound }
    }
  }

  /// Erases the slots whose contents are not needed behind `steps`, once these are done.
  func eraseContents(endingIn steps: Range<Int>) {
    eraseContents { ranges in
      ranges.contains { steps.contains($0.upperBound) }
        && !ranges.contains { $0.lowerBound < steps.upperBound && $0.contains(steps.upperBound) }
    }
  }

  private func eraseContents(where isToErase: ([ClosedRange<Int>]) -> Bool) {
    guard checks != nil else { return }
    for (slot, ranges) in lifetimes where isToErase(ranges) {
      guard let offset = layout.offsets[slot], let size = layout.sizes[slot] else { continue }
      MemoryChecks.erase(arena.base + offset, count: size)
    }
  }

  /// Looks at the rows that a step is about to read.
  func checkReads(ofStep index: Int) {
    guard let checks else { return }
    let step = plan.steps[index]
    for slot in plan.reads(step) where !isWritten(slot, plan.rowsRead(by: step)) {
      checks.report(.reads, slot, step: index, of: plan)
    }
  }

  /// Looks at the rows that a step made.
  func checkResult(ofStep index: Int) {
    guard let checks else { return }
    let step = plan.steps[index]
    let slot = duty.share(step) == .up ? .gateOperand : step.target
    if let slot, !isWritten(slot, step.rows) {
      checks.report(.makes, slot, step: index, of: plan)
    }
  }

  /// Whether no value of a slot's rows is erased memory.
  func isWritten(_ slot: Slot, _ rows: RowSet) -> Bool {
    withRows(of: slot, rows) { rows in !rows.contains(where: \.isNaN) } ?? false
  }
}
