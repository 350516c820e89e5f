/// Numbers for symbols by their exact bytes.
///
/// Swift's `String` compares by canonical equivalence, by which different tokens can be equal;
/// and fifty thousand strings hashed one by one would take most of a short run's start-up. So
/// this is one open-addressing table over one run of bytes.
struct SymbolTable {
  private var bytes: [UInt8] = []
  private var ends: [Int] = [0]
  /// Symbol numbers by hash, -1 where free; a power of two, at most half full.
  private var slots: [Int32]

  /// An empty table with room for `capacity` symbols.
  init(capacity: Int) {
    var size = 16
    while size < 2 * capacity { size *= 2 }
    slots = [Int32](repeating: -1, count: size)
    bytes.reserveCapacity(8 * capacity)
    ends.reserveCapacity(capacity + 1)
  }

  /// The number of symbols.
  var count: Int { ends.count - 1 }

  /// Adds a symbol and gives it the next number; nil where it is there already or the table full.
  mutating func insert(_ symbol: String) -> Int? {
    var symbol = symbol
    return symbol.withUTF8 { symbol in
      let slot = find(symbol, UnsafeBufferPointer(start: nil, count: 0))
      guard slots[slot] < 0, 2 * (count + 1) <= slots.count else { return nil }
      slots[slot] = Int32(count)
      bytes += symbol
      ends.append(bytes.count)
      return count - 1
    }
  }

  /// A symbol's number.
  func number(of symbol: String) -> Int? {
    var symbol = symbol
    return symbol.withUTF8 { number(of: $0, UnsafeBufferPointer(start: nil, count: 0)) }
  }

  /// The number of the symbol that consists of two parts.
  func number(of left: String, _ right: String) -> Int? {
    var (left, right) = (left, right)
    return left.withUTF8 { left in right.withUTF8 { number(of: left, $0) } }
  }

  private func number(
    of left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>
  ) -> Int? {
    let number = slots[find(left, right)]
    return number < 0 ? nil : Int(number)
  }

  /// The slot that holds the symbol, or the free one where it belongs.
  private func find(
    _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>
  ) -> Int {
    // FNV-1a.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in left { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    for byte in right { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    var slot = Int(truncatingIfNeeded: hash ^ hash >> 32) & (slots.count - 1)
    while slots[slot] >= 0 {
      let number = Int(slots[slot])
      if isSymbol(number, left, right) { break }
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }

  private func isSymbol(
    _ number: Int, _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    let start = ends[number]
    guard ends[number + 1] - start == left.count + right.count else { return false }
    for index in left.indices where bytes[start + index] != left[index] { return false }
    let middle = start + left.count
    for index in right.indices where bytes[middle + index] != right[index] { return false }
    return true
  }
}
