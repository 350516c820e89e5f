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
  private(set) var counts = ClassCounts()

  /// Makes an empty tally.
  public init() {}

  /// Adds a region of a class that came at a place, from 0, in the ranking of classes.
  public mutating func add(class index: Int, place: Int) {
    counts.add(SIMD3(1, place == 0 ? 1 : 0, place < 5 ? 1 : 0), to: index)
  }

  /// Adds another tally.
  public mutating func merge(_ other: RegionTally) { counts.merge(other.counts) }
}

extension SIMD3<Int> {
  fileprivate var regions: Int { x }
  /// Regions whose class came first.
  fileprivate var first: Int { y }
  /// Regions whose class was among the first five.
  fileprivate var firstFive: Int { z }
}

extension RegionTally {
  /// The classes that occur, in ascending order.
  public var presentClasses: [Int] { counts.classes { _ in true } }

  /// The regions of all classes.
  public var regions: Int { counts.sum.regions }

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
    classes.mean { accuracy(of: $0, withinFive: withinFive) }
  }
}

extension RegionTally: Codable {
  /// Reads rows of class, regions, first and first five.
  public init(from decoder: any Decoder) throws {
    counts = try ClassCounts(from: decoder) {
      $0.first <= $0.firstFive && $0.firstFive <= $0.regions
    }
  }

  /// Writes rows of class, regions, first and first five by ascending class.
  public func encode(to encoder: any Encoder) throws { try counts.encode(to: encoder) }
}
