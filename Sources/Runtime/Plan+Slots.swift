import Model

extension Step {
  /// The slot whose rows the step makes or adds to.
  public var target: Slot? {
    switch operation {
    case .embedPatches, .embedTokens: .tokens
    case .layerNorm(_, _, let target), .linear(_, _, let target, _, _), .copy(_, let target),
      .gatherEnds(_, let target), .gatedLinear(_, let target), .attend(_, let target):
      target
    case .rotate(let slot): slot
    }
  }
}

extension Plan {
  /// The slots that some step uses.
  public var slots: Set<Slot> {
    Set(steps.flatMap { step in reads(step) + writes(step) })
  }

  /// The number of columns of a slot; zero for attention's working memory, whose size is the
  /// engine's affair.
  public func width(of slot: Slot) -> Int {
    switch slot {
    case .patches: 3 * (patchSize ?? 0) * (patchSize ?? 0)
    case .hidden, .gateOperand: transformer.hiddenSize
    case .dense, .embedding: embeddingSize
    case .scores: 0
    default: transformer.width
    }
  }

  /// The slots whose contents a step needs: what it reads and what it adds to.
  public func reads(_ step: Step) -> [Slot] {
    switch step.operation {
    case .embedPatches, .embedTokens: []
    case .layerNorm(_, let source, _), .copy(let source, _), .gatherEnds(let source, _): [source]
    case .linear(_, let source, let target, _, let accumulates):
      accumulates ? [source, target] : [source]
    case .gatedLinear(let source, _): [source]
    case .rotate(let slot): [slot]
    case .attend(.ordinary, _): [.query, .key, .value]
    case .attend(.sumOfSoftmax(let sources, _), _), .attend(.softmaxOfSum(let sources, _), _):
      sources + [.value]
    }
  }

  /// The slots whose contents a step makes or changes.
  func writes(_ step: Step) -> [Slot] {
    switch step.operation {
    case .embedPatches: [.patches, .tokens]
    case .embedTokens: [.tokens]
    case .layerNorm(_, _, let target), .linear(_, _, let target, _, _): [target]
    case .copy(_, let target), .gatherEnds(_, let target): [target]
    case .gatedLinear(_, let target): [target, .gateOperand]
    case .rotate(let slot): [slot]
    case .attend(_, let target): [target, .scores]
    }
  }

  /// The rows of a slot that a step reads, where it reads the slot.
  func rowsRead(by step: Step) -> RowSet {
    switch step.operation {
    case .attend, .gatherEnds: .all
    default: step.rows
    }
  }

  /// The steps whose results step `index` finds in a slot that it reads.
  func makers(of slot: Slot, readBy index: Int) -> [Int] {
    let rows = rowsRead(by: steps[index])
    var makers: [Int] = []
    for (maker, step) in steps[..<index].enumerated().reversed()
    where writes(step).contains(slot) && step.rows.meets(rows) {
      makers.append(maker)
      // What stood there before is overwritten.
      if step.rows.covers(rows) { break }
    }
    return makers
  }

  /// For each slot the steps during which its contents must be kept.
  var lifetimes: [Slot: [ClosedRange<Int>]] {
    var lifetimes: [Slot: [ClosedRange<Int>]] = [:]
    for slot in slots {
      var ranges: [ClosedRange<Int>] = []
      for (index, step) in steps.enumerated() {
        let isRead = reads(step).contains(slot)
        let isWritten = writes(step).contains(slot)
        // A step that only writes some rows keeps the others, so it does not start anew.
        if isRead || (isWritten && step.rows != .all && step.rows != .texts), let open = ranges.last
        {
          ranges[ranges.count - 1] = open.lowerBound...index
        } else if isWritten {
          ranges.append(index...index)
        }
      }
      if slot.isOutput, let open = ranges.last {
        ranges[ranges.count - 1] = open.lowerBound...steps.count
      }
      lifetimes[slot] = ranges
    }
    return lifetimes
  }
}

extension RowSet {
  /// Whether all rows of another set are among these.
  func covers(_ other: RowSet) -> Bool { self == other || (self == .all && other != .texts) }

  /// Whether the sets have rows in common.
  func meets(_ other: RowSet) -> Bool { covers(other) || other.covers(self) }
}
