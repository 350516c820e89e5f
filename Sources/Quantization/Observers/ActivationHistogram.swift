/// The distribution of a stream of values in fixed memory: equal bins over a range symmetric about
/// zero that doubles when a value falls outside, neighbours being merged two by two.
///
/// The smallest and the largest value are kept exactly.
public struct ActivationHistogram: Sendable {
  /// The number of bins.
  public static let binCount = 4096
  /// How many values fell into each bin, from `-reach` to `reach`.
  public private(set) var bins = [UInt64](repeating: 0, count: binCount)
  /// Half the range: bin `i` covers `reach * (2 i / binCount - 1)` and a bin's width beyond it.
  public private(set) var reach: Float = 0
  /// The smallest value so far, at most 0: the range of an integer always holds zero.
  public private(set) var minimum: Float = 0
  /// The largest value so far, at least 0.
  public private(set) var maximum: Float = 0
  /// The number of values.
  public private(set) var count: UInt64 = 0
  /// The values that were not finite; they are counted nowhere else.
  public private(set) var notFinite: UInt64 = 0

  /// Makes an empty histogram.
  public init() {}

  /// The width of a bin; 0 while all values are zero.
  public var binWidth: Double { 2 * Double(reach) / Double(Self.binCount) }

  /// The middle of a bin.
  public func centre(of bin: Int) -> Double {
    (Double(bin) + 0.5) * binWidth - Double(reach)
  }

  /// Adds values.
  public mutating func add(_ values: UnsafeBufferPointer<Float>) {
    var (low, high) = (minimum, maximum)
    for value in values {
      // Comparisons are false for what is not a number; infinities must not widen the range.
      if value < low, value >= -.greatestFiniteMagnitude { low = value }
      if value > high, value <= .greatestFiniteMagnitude { high = value }
    }
    (minimum, maximum) = (low, high)
    grow(to: max(high, -low))
    let half = Self.binCount / 2
    let factor = reach > 0 ? Float(half) / reach : 0
    var bad: UInt64 = 0
    bins.withUnsafeMutableBufferPointer { bins in
      for value in values {
        guard value.isFinite else {
          bad += 1
          continue
        }
        // The factor is a power of two and the product exact: bins that are merged later hold what
        // wider ones would have. A tiny reach has an infinite factor.
        let scaled = min(max(value * factor, -Float(half)), Float(half - 1))
        guard !scaled.isNaN else {
          bins[half] += 1
          continue
        }
        var place = Int(scaled)
        if Float(place) > scaled { place -= 1 }
        bins[place + half] += 1
      }
    }
    count += UInt64(values.count) - bad
    notFinite += bad
  }

  private mutating func grow(to magnitude: Float) {
    guard magnitude > 0, magnitude >= reach else { return }
    if reach == 0 {
      // A power of two, so that growth does not depend on the order of pictures. Everything so far
      // was zero.
      let power = magnitude.binade * 2
      reach = power.isFinite ? power : .greatestFiniteMagnitude
      return
    }
    while magnitude >= reach, reach < .greatestFiniteMagnitude {
      var merged = [UInt64](repeating: 0, count: Self.binCount)
      for index in bins.indices { merged[Self.binCount / 4 + index / 2] += bins[index] }
      bins = merged
      reach = reach > .greatestFiniteMagnitude / 2 ? .greatestFiniteMagnitude : reach * 2
    }
  }

  /// The same distribution in fewer bins over `[low, high]`, for people; what lies outside is added
  /// to the outermost bins.
  public func coarse(_ number: Int, low: Float, high: Float) -> [UInt64] {
    var result = [UInt64](repeating: 0, count: max(number, 1))
    let width = Double(high) - Double(low)
    for (index, value) in bins.enumerated() where value > 0 {
      let share = width > 0 ? (centre(of: index) - Double(low)) / width : 0
      result[min(max(Int(share * Double(number)), 0), result.count - 1)] += value
    }
    return result
  }
}
