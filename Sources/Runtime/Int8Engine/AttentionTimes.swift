/// Where the time of a run's attention went: nanoseconds, of all threads divided by their number.
public struct AttentionTimes: Sendable {
  /// Rotating, quantising and packing queries, keys and values, and copying results.
  public var packing: Double
  /// Products of queries and keys.
  public var scores: Double
  /// Maxima, exponentials and sums.
  public var softmax: Double
  /// Products of weights and values.
  public var values: Double

  /// Parts of these nanoseconds.
  public init(packing: Double, scores: Double, softmax: Double, values: Double) {
    self.packing = packing
    self.scores = scores
    self.softmax = softmax
    self.values = values
  }

  /// The sum of the parts.
  public var total: Double { packing + scores + softmax + values }
}
