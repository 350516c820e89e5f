import Vision

/// How regions become one feature.
public enum RegionKind: String, Codable, CodingKeyRepresentable, Hashable, Sendable, CaseIterable {
  /// RoIAlign of dense features over the region's box.
  case boxes
  /// The mean of dense features over the cells of the region's mask.
  case masks
  /// The embedding of the picture's part in the region's box, things with half as much again
  /// around.
  case crops
}

/// Regions counted by class, and how many of them were named right.
public struct RegionTally: Hashable, Sendable {
  /// Regions of one class.
  struct Counts: Hashable, Sendable {
    var regions = 0
    /// Those whose class came first.
    var first = 0
    /// Those whose class was among the first five.
    var firstFive = 0
  }

  private(set) var counts: [Int: Counts] = [:]

  /// Makes an empty tally.
  public init() {}

  /// Adds a region of a class that came at a place, from 0, in the ranking of classes.
  public mutating func add(class index: Int, place: Int) {
    add(
      Counts(regions: 1, first: place == 0 ? 1 : 0, firstFive: place < 5 ? 1 : 0), to: index)
  }

  /// Adds another tally.
  public mutating func merge(_ other: RegionTally) {
    for (index, counts) in other.counts { add(counts, to: index) }
  }

  private mutating func add(_ more: Counts, to index: Int) {
    var sum = counts[index] ?? Counts()
    sum.regions += more.regions
    sum.first += more.first
    sum.firstFive += more.firstFive
    counts[index] = sum
  }
}

extension RegionTally {
  /// The classes that occur, in ascending order.
  public var presentClasses: [Int] { counts.keys.sorted() }

  /// The regions of all classes.
  public var regions: Int { counts.values.reduce(0) { $0 + $1.regions } }

  /// The share of a class's regions, 0 to 1, that were named right at first, or within five; nil
  /// for a class without regions.
  public func accuracy(of index: Int, withinFive: Bool = false) -> Double? {
    guard let counts = counts[index], counts.regions > 0 else { return nil }
    return Double(withinFive ? counts.firstFive : counts.first) / Double(counts.regions)
  }

  /// The mean of `accuracy(of:)` over those of `classes` that occur; nil where none does.
  public func meanAccuracy(
    of classes: some Sequence<Int>, withinFive: Bool = false
  ) -> Double? {
    let values = classes.compactMap { accuracy(of: $0, withinFive: withinFive) }
    return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }
}

extension RegionTally: Codable {
  /// Reads rows of class, regions, first and first five.
  public init(from decoder: any Decoder) throws {
    for row in try [[Int]](from: decoder) {
      guard row.count == 4, row.allSatisfy({ 0...1 << 52 ~= $0 }), row[2] <= row[3],
        row[3] <= row[1]
      else {
        throw DecodingError.dataCorrupted(
          .init(codingPath: decoder.codingPath, debugDescription: "no counts of a class"))
      }
      add(Counts(regions: row[1], first: row[2], firstFive: row[3]), to: row[0])
    }
  }

  /// Writes rows of class, regions, first and first five by ascending class.
  public func encode(to encoder: any Encoder) throws {
    let rows = counts.sorted { $0.key < $1.key }.map {
      [$0.key, $0.value.regions, $0.value.first, $0.value.firstFive]
    }
    try rows.encode(to: encoder)
  }
}
