/// The range of values that the integers of a layer's input stand for.
public struct ActivationRange: Hashable, Sendable {
  /// The smallest value that is not clipped, at most 0.
  public var low: Float
  /// The largest value that is not clipped, at least 0.
  public var high: Float

  /// Makes a range; it is widened to hold zero.
  public init(low: Float, high: Float) {
    self.low = min(low, 0)
    self.high = max(high, 0)
  }

  /// The scale and zero point of unsigned integers of `bits` bits over the range:
  /// `scale = (high - low) / (2^bits - 1)`, `zeroPoint = round(-low / scale)`.
  ///
  /// Zero is always represented exactly. A range of nothing but zero has scale 1.
  public func quantization(bits: Int) -> (scale: Float, zeroPoint: Int) {
    let steps = Float((1 << bits) - 1)
    let scale = (high - low) / steps
    guard scale.isNormal else { return (1, 1 << (bits - 1)) }
    let zeroPoint = (-low / scale).rounded(.toNearestOrEven)
    return (scale, Int(min(max(zeroPoint, 0), steps)))
  }
}

/// How a range is chosen from the distribution of a layer's input.
public enum RangeMethod: Hashable, Sendable {
  /// The smallest and the largest value.
  case minMax
  /// All but a share of values at either end, `(1 - share) / 2` each; 0.9999 is usual.
  case percentile(Double)
  /// The range of the least expected squared error of rounding and clipping.
  case meanSquaredError
  /// The range whose integers lose the least information, by the Kullback-Leibler divergence
  /// between the distribution and its quantised form (Migacz, "8-bit Inference with TensorRT", GTC
  /// 2017).
  case entropy
}

extension ActivationHistogram {
  /// The range that a method chooses for integers of `bits` bits.
  public func range(_ method: RangeMethod, bits: Int) -> ActivationRange {
    let whole = ActivationRange(low: minimum, high: maximum)
    guard count > 0, reach > 0 else { return whole }
    switch method {
    case .minMax: return whole
    case .percentile(let share): return percentileRange(share, within: whole)
    case .meanSquaredError: return meanSquaredErrorRange(bits: bits, within: whole)
    case .entropy: return entropyRange(bits: bits, within: whole)
    }
  }

  /// The share of values outside a range.
  public func clipped(by range: ActivationRange) -> Double {
    guard count > 0 else { return 0 }
    var outside: UInt64 = 0
    for (index, number) in bins.enumerated() where number > 0 {
      let middle = centre(of: index)
      // A bin that the range's end cuts counts as inside, so that min-max clips nothing.
      if middle + binWidth / 2 < Double(range.low) || middle - binWidth / 2 > Double(range.high) {
        outside += number
      }
    }
    return Double(outside) / Double(count)
  }

  private func percentileRange(_ share: Double, within whole: ActivationRange) -> ActivationRange {
    let tail = Double(count) * max(0, 1 - share) / 2
    var (low, high) = (0, bins.count - 1)
    var seen = Double(bins[low])
    while seen <= tail, low < high {
      low += 1
      seen += Double(bins[low])
    }
    seen = Double(bins[high])
    while seen <= tail, high > low {
      high -= 1
      seen += Double(bins[high])
    }
    return ActivationRange(
      low: max(whole.low, Float(centre(of: low) - binWidth / 2)),
      high: min(whole.high, Float(centre(of: high) + binWidth / 2)))
  }
}
