import Model

/// Where each slot of a plan lies in one block of memory: slots whose contents are never needed at
/// the same time share bytes.
struct ArenaLayout {
  /// Bytes from the arena's start, a multiple of `alignment`; slots of no bytes have no place.
  private(set) var offsets: [Slot: Int] = [:]
  /// The bytes of each slot that has a place, a multiple of `alignment`.
  private(set) var sizes: [Slot: Int] = [:]
  /// The arena's size in bytes.
  private(set) var size = 0

  /// A cache line, and the widest vector.
  static let alignment = 64

  /// Places the slots of `plan`, of which `byteCount` gives the sizes; nil on overflow.
  ///
  /// `phases` has a number for every step, rising from step to step, or is empty. What lives in
  /// steps of the same number lives at the same time.
  /// Greedy by size: every slot, the largest first, takes the lowest place where it meets no slot
  /// that lives at the same time.
  init?(_ plan: Plan, phases: [Int] = [], byteCount: (Slot) -> Int?) {
    func phase(_ step: Int) -> Int {
      // Behind the last step outputs are read.
      phases.isEmpty ? step : phases.indices.contains(step) ? phases[step] : .max
    }
    let lifetimes = plan.lifetimes.mapValues { ranges in
      ranges.map { phase($0.lowerBound)...phase($0.upperBound) }
    }
    for slot in lifetimes.keys {
      guard let count = byteCount(slot), count >= 0, count < Int.max / 64 else { return nil }
      guard count > 0 else { continue }
      sizes[slot] = (count + Self.alignment - 1) / Self.alignment * Self.alignment
    }
    let order = sizes.sorted { ($0.value, $1.key.rawValue) > ($1.value, $0.key.rawValue) }
    for (slot, bytes) in order {
      let rivals = offsets.keys
        .filter { Self.overlap(lifetimes[slot] ?? [], lifetimes[$0] ?? []) }
        .map { (start: offsets[$0] ?? 0, end: (offsets[$0] ?? 0) + (sizes[$0] ?? 0)) }
        .sorted { $0.start < $1.start }
      var start = 0
      for rival in rivals where rival.start < start + bytes && start < rival.end {
        start = rival.end
      }
      offsets[slot] = start
      size = max(size, start + bytes)
    }
  }

  private static func overlap(_ a: [ClosedRange<Int>], _ b: [ClosedRange<Int>]) -> Bool {
    a.contains { range in b.contains { $0.overlaps(range) } }
  }
}
