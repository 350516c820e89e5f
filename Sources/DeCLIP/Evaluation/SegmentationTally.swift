import Model
import Vision

/// Pixels counted by class, true and found: what intersection over union is made of.
public struct SegmentationTally: Hashable, Sendable {
  /// The classes that occur on either side.
  private(set) var counts = ClassCounts()

  /// Makes an empty tally.
  public init() {}

  /// Adds one picture whose true labels are checked (`LabelMap.check`); those of `ignored` count
  /// nowhere.
  ///
  /// - Precondition: both maps have the same extents.
  public mutating func add(
    _ map: SegmentationMap, truth: LabelMap, classes: Int, ignoring ignored: Set<UInt16>
  ) {
    precondition(map.labels.count == truth.labels.count)
    var expected = [Int](repeating: 0, count: classes)
    var (found, hits) = (expected, expected)
    for (index, label) in truth.labels.enumerated() {
      if Int(label) >= classes || ignored.contains(label) { continue }
      let guess = Int(map.labels[index])
      expected[Int(label)] += 1
      if guess < classes { found[guess] += 1 }
      if guess == Int(label) { hits[guess] += 1 }
    }
    for index in 0..<classes where expected[index] > 0 || found[index] > 0 {
      counts.add(SIMD3(expected[index], found[index], hits[index]), to: index)
    }
  }

  /// Adds another tally.
  public mutating func merge(_ other: SegmentationTally) { counts.merge(other.counts) }
}

extension SIMD3<Int> {
  /// Pixels that are of the class.
  fileprivate var expected: Int { x }
  /// Pixels that were labelled with the class, among those that are of any class.
  fileprivate var found: Int { y }
  /// Pixels that are both.
  fileprivate var hits: Int { z }
}

extension SegmentationTally {
  /// The classes that truly occur, in ascending order.
  public var presentClasses: [Int] { counts.classes { $0.expected > 0 } }

  /// The true pixels of a class.
  public func pixels(of index: Int) -> Int { counts[index]?.expected ?? 0 }

  /// `hits / (expected + found - hits)` over all pixels counted, 0 to 1; nil for a class that does
  /// not truly occur.
  public func intersectionOverUnion(of index: Int) -> Double? {
    guard let counts = counts[index], counts.expected > 0 else { return nil }
    return Double(counts.hits) / Double(counts.expected + counts.found - counts.hits)
  }

  /// The mean over those of `classes` that truly occur; nil where none does.
  public func meanIntersectionOverUnion(of classes: some Sequence<Int>) -> Double? {
    classes.mean(of: intersectionOverUnion)
  }

  /// The share of counted pixels with the true label; nil where there are none.
  public var pixelAccuracy: Double? {
    let sum = counts.sum
    return sum.expected == 0 ? nil : Double(sum.hits) / Double(sum.expected)
  }
}

extension SegmentationTally: Codable {
  /// Reads rows of class, expected, found and hits.
  public init(from decoder: any Decoder) throws {
    counts = try ClassCounts(from: decoder) { $0.hits <= $0.expected }
  }

  /// Writes rows of class, expected, found and hits by ascending class.
  public func encode(to encoder: any Encoder) throws { try counts.encode(to: encoder) }
}

extension LabelMap {
  /// Throws `badData` for extents other than a picture's, and for the first label that is neither
  /// the number of a class nor in `ignored`.
  func check(
    of image: Image, classes: Int, ignoring ignored: Set<UInt16>
  ) throws(DeclipError) {
    guard width == image.width, height == image.height else {
      throw DeclipError(
        .badData, "is a label map of \(width) x \(height) pixels",
        expected: "\(image.width) x \(image.height) as its picture")
    }
    let fault = labels.firstIndex { Int($0) >= classes && !ignored.contains($0) }
    guard let fault else { return }
    throw DeclipError(
      .badData, "has the label \(labels[fault]) at column \(fault % width), row \(fault / width)",
      expected: "0 to \(classes - 1), the numbers of the classes",
      remedy: "name labels that count nowhere with --ignore")
  }
}
