import Model

/// The smallest and the largest value that every layer reads.
public final class RangeObserver: ActivationObserver {
  /// The extremes by the weights of the layers that read the rows.
  public private(set) var ranges: [TensorRole: ClosedRange<Float>] = [:]

  /// An observer that has seen nothing.
  public init() {}

  /// Widens the range of rows that `weights` multiply; throws `badData` where a value is not finite.
  public func observe(
    _ rows: UnsafeBufferPointer<Float>, columns: Int, readBy weights: [TensorRole]
  ) throws(DeclipError) {
    var (low, high, isFinite) = (Float.infinity, -Float.infinity, true)
    for value in rows {
      low = value < low ? value : low
      high = value > high ? value : high
      isFinite = isFinite && value.isFinite
    }
    guard isFinite, low <= high else {
      throw DeclipError(
        .badData, "activations are not finite",
        place: "input of '\(weights.first?.description ?? "")'",
        remedy: "the model cannot be quantised; check it with declip-convert")
    }
    for role in weights {
      let known = ranges[role] ?? low...high
      ranges[role] = min(low, known.lowerBound)...max(high, known.upperBound)
    }
  }
}
