import Glibc

/// Cosines of many pairs of tokens in fixed memory: their mean exactly, their percentiles from
/// logarithmic bins of `1 - cosine`.
struct CosineDistribution: Hashable, Sendable {
  private(set) var count = 0
  private var sum = 0.0
  private var bins = [Int](repeating: 0, count: bound)

  // 64 bins an octave of 1 - cosine, from 2 down to 2^-30: a percentile is off by less than 1.1 %
  // of its distance from 1.
  private static let binsPerOctave = 64.0
  private static let octaves = 31
  private static let bound = octaves * Int(binsPerOctave)

  /// Adds one cosine; what is not a number counts as -1.
  mutating func add(_ cosine: Double) {
    let cosine = cosine.isFinite ? min(max(cosine, -1), 1) : -1
    count += 1
    sum += cosine
    let depth = (1 - log2(max(1 - cosine, 0x1p-30))) * Self.binsPerOctave
    bins[min(max(Int(depth), 0), Self.bound - 1)] += 1
  }

  /// Adds the cosines of another distribution.
  mutating func merge(_ other: CosineDistribution) {
    count += other.count
    sum += other.sum
    for (bin, number) in other.bins.enumerated() { bins[bin] += number }
  }

  /// The mean, 1 where nothing was added.
  var mean: Double { count == 0 ? 1 : sum / Double(count) }

  /// The cosine that a share of all cosines, 0 to 1, does not exceed; 1 where nothing was added.
  func percentile(_ share: Double) -> Double {
    guard count > 0 else { return 1 }
    let target = max(1, Int((share * Double(count)).rounded(.up)))
    var seen = 0
    for (bin, number) in bins.enumerated() {
      seen += number
      if seen >= target { return 1 - exp2(1 - (Double(bin) + 0.5) / Self.binsPerOctave) }
    }
    return 1
  }
}

extension CosineDistribution: Codable {
  private enum Key: CodingKey { case sum, bins }

  /// Reads the sum and rows of bin and count.
  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    sum = try container.decode(Double.self, forKey: .sum)
    for row in try container.decode([[Int]].self, forKey: .bins) {
      guard row.count == 2, bins.indices.contains(row[0]), 0...1 << 52 ~= row[1] else {
        throw DecodingError.dataCorruptedError(
          forKey: .bins, in: container, debugDescription: "no count of a bin")
      }
      bins[row[0]] += row[1]
      count += row[1]
    }
  }

  /// Writes the sum and rows of bin and count, empty bins left out.
  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(sum, forKey: .sum)
    let rows = bins.enumerated().filter { $0.element > 0 }.map { [$0.offset, $0.element] }
    try container.encode(rows, forKey: .bins)
  }
}
