import Model

/// Where the int8 engine holds the slots of a plan: who reads a slot decides it.
struct SlotPlaces {
  /// The slots whose floats stand in memory of all threads. Those of others stand in the memory of
  /// blocks of rows, or nowhere.
  var shared: Set<Slot>
  /// The blocks whose queries and keys are quantised behind their projections and stand as words
  /// alone.
  var quantizingBlocks: Set<Int>

  /// The places where all who read a slot find it.
  init(_ plan: Plan, _ precision: LayerPrecision) {
    let quantizingBlocks = Self.quantizingBlocks(plan, precision)
    self.quantizingBlocks = quantizingBlocks
    shared = plan.slots.filter { $0.isOutput || $0 == .tokens || $0 == .branch }
    let phases = precision.phases(of: plan)
    for (index, step) in plan.steps.enumerated() {
      let readsWords = step.block.map(quantizingBlocks.contains) ?? false
      let reads = plan.reads(step).filter { !readsWords || !$0.isScored }
      if step.kind == .attention || precision.floatShare(of: step) != .none {
        shared.formUnion(reads + plan.writes(step))
      } else {
        // What a thread made for some rows is gone when threads have met.
        shared.formUnion(
          reads.filter { slot in
            plan.makers(of: slot, readBy: index).contains { phases[$0] != phases[index] }
          })
      }
    }
  }

  /// The blocks whose queries and keys nothing reads but ordinary attention and its rotation, if
  /// their projections multiply bytes and heads fill the kernels' vectors.
  private static func quantizingBlocks(_ plan: Plan, _ precision: LayerPrecision) -> Set<Int> {
    guard plan.transformer.headSize % 16 == 0 else { return [] }
    var blocks = Set(plan.steps.filter(\.isOrdinaryAttention).compactMap(\.block))
    for step in plan.steps {
      guard let block = step.block else { continue }
      let isInFloat = step.scoreSlot != nil && precision.floatShare(of: step) != .none
      let readsFloats =
        plan.reads(step).contains(where: \.isScored)
        && !step.isOrdinaryAttention && step.kind != .rotation
      if isInFloat || readsFloats { blocks.remove(block) }
    }
    return blocks
  }
}

extension Slot {
  /// Whether the slot holds what ordinary attention makes scores of.
  fileprivate var isScored: Bool { self == .query || self == .key }
}

extension Step {
  fileprivate var isOrdinaryAttention: Bool {
    if case .attend(.ordinary, _) = operation { true } else { false }
  }
}
