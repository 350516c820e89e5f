/// Three counts of every class that occurs, which add up to the same in any order: what a tally
/// counts.
struct ClassCounts: Hashable, Sendable {
  private(set) var rows: [Int: SIMD3<Int>] = [:]

  subscript(index: Int) -> SIMD3<Int>? { rows[index] }

  /// Whether all classes are below `count`.
  func isWithin(_ count: Int) -> Bool { rows.keys.allSatisfy { 0..<count ~= $0 } }

  /// The counts of all classes together.
  var sum: SIMD3<Int> { rows.values.reduce(.zero, &+) }

  /// The classes whose counts fulfil `condition`, in ascending order.
  func classes(where condition: (SIMD3<Int>) -> Bool) -> [Int] {
    rows.filter { condition($0.value) }.keys.sorted()
  }

  mutating func add(_ more: SIMD3<Int>, to index: Int) { rows[index, default: .zero] &+= more }

  mutating func merge(_ other: ClassCounts) {
    for (index, counts) in other.rows { add(counts, to: index) }
  }
}

extension ClassCounts: Encodable {
  /// Reads rows of a class and its counts, each from 0 to 2^52; throws where those of a row do not
  /// fulfil `condition`.
  init(from decoder: any Decoder, where condition: (SIMD3<Int>) -> Bool) throws {
    for row in try [[Int]](from: decoder) {
      guard row.count == 4, row.allSatisfy({ 0...1 << 52 ~= $0 }),
        condition(SIMD3(row[1], row[2], row[3]))
      else {
        throw DecodingError.dataCorrupted(
          .init(codingPath: decoder.codingPath, debugDescription: "no counts of a class"))
      }
      add(SIMD3(row[1], row[2], row[3]), to: row[0])
    }
  }

  /// Writes the rows by ascending class.
  func encode(to encoder: any Encoder) throws {
    let sorted = rows.sorted { $0.key < $1.key }
    try sorted.map { [$0.key, $0.value.x, $0.value.y, $0.value.z] }.encode(to: encoder)
  }
}

extension Sequence<Int> {
  /// The mean over the classes that have a value; nil where none has.
  func mean(of value: (Int) -> Double?) -> Double? {
    let values = compactMap(value)
    return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }
}
