import Glibc

extension ActivationHistogram {
  /// The symmetric clip, cut to the values that occur, whose integers lose the least information.
  ///
  /// For each of 128 clips the clipped distribution P (outliers added to its outermost bins) is
  /// compared with Q, in which the bins that share an integer share their mass equally among those
  /// that are not empty: the divergence `sum P log(P / Q)`.
  func entropyRange(bits: Int, within whole: ActivationRange) -> ActivationRange {
    let levels = 1 << bits
    let half = Self.binCount / 2
    let magnitude = max(Double(whole.high), -Double(whole.low))
    let used = min(half, Int((magnitude / binWidth).rounded(.up)))
    // Below a bin for each level nothing is merged, and nothing can be told.
    let smallest = min(max(levels / 2, used / 128), used)
    var best = (divergence: Double.infinity, reach: used)
    for part in 0..<128 {
      let clip = smallest + (used - smallest) * part / 127
      let divergence = divergence(clip: clip, levels: levels)
      // Of equal clips the wider: it loses no outlier.
      if divergence <= best.divergence { best = (divergence, clip) }
    }
    let clip = Float(Double(best.reach) * binWidth)
    return ActivationRange(low: max(whole.low, -clip), high: min(whole.high, clip))
  }

  private func divergence(clip: Int, levels: Int) -> Double {
    let half = Self.binCount / 2
    let window = Array(bins[half - clip..<half + clip])
    guard let last = window.indices.last else { return .infinity }
    var clipped = window
    clipped[0] += bins[..<(half - clip)].reduce(0, +)
    clipped[last] += bins[(half + clip)...].reduce(0, +)
    let total = Double(count)
    let inside = Double(window.reduce(0, +))
    guard inside > 0 else { return .infinity }
    var sum = 0.0
    for level in 0..<levels {
      let part = level * window.count / levels..<(level + 1) * window.count / levels
      let (mass, occupied) = part.reduce(into: (UInt64(0), 0)) { state, bin in
        state.0 += window[bin]
        if window[bin] > 0 { state.1 += 1 }
      }
      for bin in part where clipped[bin] > 0 {
        let p = Double(clipped[bin]) / total
        // An outermost bin that only outliers fill stands against next to nothing.
        let q =
          occupied > 0 && window[bin] > 0 ? Double(mass) / Double(occupied) / inside : 1e-9
        sum += p * log(p / q)
      }
    }
    return sum
  }
}
