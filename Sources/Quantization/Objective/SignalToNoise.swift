import Glibc

/// How large a step's error is beside its result, over any number of pictures.
public struct SignalToNoise: Hashable, Sendable {
  private var signal = 0.0
  private var noise = 0.0

  /// Makes an empty sum.
  public init() {}

  /// Adds values of a step and what they should be.
  public mutating func add(expected: [Float], found: [Float]) {
    for (x, y) in zip(expected, found) {
      let (value, difference) = (Double(x), Double(x) - Double(y))
      signal += value * value
      noise += difference * difference
    }
  }

  /// `10 log10(signal power / error power)`; infinite without an error.
  public var decibels: Double {
    noise == 0 ? .infinity : 10 * log10(signal / noise)
  }
}
