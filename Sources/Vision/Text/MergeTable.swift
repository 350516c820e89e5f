/// Which pairs of symbols merge, how early, and into what.
struct MergeTable {
  /// A merge: the lower its rank, the earlier it is done.
  struct Merge {
    var rank: Int32
    var result: Int32
  }

  /// Pairs as `left << 32 | right`, `UInt64.max` where free; a power of two, at most half full.
  private var keys: [UInt64]
  private var merges: [Merge]

  /// An empty table with room for `capacity` merges.
  init(capacity: Int) {
    var size = 16
    while size < 2 * capacity { size *= 2 }
    keys = [UInt64](repeating: .max, count: size)
    merges = [Merge](repeating: Merge(rank: 0, result: 0), count: size)
  }

  /// The merge of two symbols, nil where they stay apart.
  subscript(left: Int32, right: Int32) -> Merge? {
    let slot = find(MergeTable.key(left, right))
    return keys[slot] == .max ? nil : merges[slot]
  }

  /// Adds a merge; as in the original, one that is listed twice gets its last rank.
  mutating func insert(_ left: Int32, _ right: Int32, _ merge: Merge) {
    let key = MergeTable.key(left, right)
    let slot = find(key)
    keys[slot] = key
    merges[slot] = merge
  }

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  private func find(_ key: UInt64) -> Int {
    let hash = key &* 0x9e37_79b9_7f4a_7c15
    var slot = Int(truncatingIfNeeded: hash >> 32) & (keys.count - 1)
    while keys[slot] != .max, keys[slot] != key { slot = (slot + 1) & (keys.count - 1) }
    return slot
  }
}
