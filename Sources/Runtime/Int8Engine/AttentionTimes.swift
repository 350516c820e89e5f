/// Where the time of attention went: nanoseconds over some runs, of all threads divided by their
/// number.
public struct AttentionTimes: Sendable {
  /// Rotating, quantising and packing queries, keys and values, and copying results.
  public let packing: Double
  /// Products of queries and keys.
  public let scores: Double
  /// Maxima, exponentials and sums.
  public let softmax: Double
  /// Products of weights and values.
  public let values: Double

  /// The sum of the parts.
  public var total: Double { packing + scores + softmax + values }
}
