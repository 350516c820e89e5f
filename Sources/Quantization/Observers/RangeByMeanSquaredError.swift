extension ActivationHistogram {
  /// Sums over all values beyond each bin's edge, from which the squared error of clipping at any
  /// edge follows: `sum (x - edge)^2 = squares - 2 edge values + edge^2 number`.
  fileprivate struct Tail {
    var number = 0.0
    var values = 0.0
    var squares = 0.0

    func clippingError(at edge: Double) -> Double {
      max(0, squares - 2 * edge * values + edge * edge * number)
    }
  }

  /// The range of the least expected squared error: `step^2 / 12` for every value inside (rounding,
  /// uniform within a step) and the squared distance from the nearer end for every value outside.
  ///
  /// Either end is tried at 128 places between zero and its extreme value, by turns until neither
  /// moves.
  func meanSquaredErrorRange(bits: Int, within whole: ActivationRange) -> ActivationRange {
    let places = 128
    let steps = Double((1 << bits) - 1)
    var below = [Tail](repeating: Tail(), count: places + 1)
    var above = below
    for (index, number) in bins.enumerated() where number > 0 {
      let (value, weight) = (centre(of: index), Double(number))
      // Sums for every edge that this bin lies beyond.
      if value < 0, whole.low < 0 {
        let edges = min(places, Int((value / Double(whole.low) * Double(places)).rounded(.up)))
        for place in 0..<max(edges, 0) { below[place].add(value, weight) }
      } else if value > 0, whole.high > 0 {
        let edges = min(places, Int((value / Double(whole.high) * Double(places)).rounded(.up)))
        for place in 0..<max(edges, 0) { above[place].add(value, weight) }
      }
    }
    func low(_ place: Int) -> Double { Double(whole.low) * Double(place) / Double(places) }
    func high(_ place: Int) -> Double { Double(whole.high) * Double(place) / Double(places) }
    func error(_ l: Int, _ h: Int) -> Double {
      let step = (high(h) - low(l)) / steps
      let inside = Double(count) - below[l].number - above[h].number
      return inside * step * step / 12 + below[l].clippingError(at: low(l))
        + above[h].clippingError(at: high(h))
    }
    var (l, h) = (places, places)
    for _ in 0..<8 {
      let before = (l, h)
      l = (0...places).min { error($0, h) < error($1, h) } ?? l
      h = (0...places).min { error(l, $0) < error(l, $1) } ?? h
      if before == (l, h) { break }
    }
    return ActivationRange(low: Float(low(l)), high: Float(high(h)))
  }
}

extension ActivationHistogram.Tail {
  fileprivate mutating func add(_ value: Double, _ weight: Double) {
    number += weight
    values += weight * value
    squares += weight * value * value
  }
}
