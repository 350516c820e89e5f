import Testing

@testable import Quantization

@Suite struct ActivationRangeTests {
  private func histogram(_ values: [Float]) -> ActivationHistogram {
    var histogram = ActivationHistogram()
    values.withUnsafeBufferPointer { histogram.add($0) }
    return histogram
  }

  /// Mean squared error of values that were really quantised.
  private func error(_ values: [Float], _ range: ActivationRange, bits: Int) -> Double {
    let (scale, zeroPoint) = range.quantization(bits: bits)
    let top = Float((1 << bits) - 1)
    return values.reduce(0) { sum, value in
      let integer = min(max((value / scale).rounded() + Float(zeroPoint), 0), top)
      let difference = Double((integer - Float(zeroPoint)) * scale - value)
      return sum + difference * difference
    } / Double(values.count)
  }

  @Test(arguments: [7, 8]) func zeroIsExact(bits: Int) {
    for (low, high) in [(Float(-3), Float(5)), (0, 2), (-7, 0), (-1e-3, 40), (1, 2), (-2, -1)] {
      let (scale, zeroPoint) = ActivationRange(low: low, high: high).quantization(bits: bits)
      #expect((0...(1 << bits) - 1).contains(zeroPoint))
      // Both ends lie within half a step of the integers' range.
      let top = Float((1 << bits) - 1 - zeroPoint) * scale
      #expect(abs(top - max(high, 0)) <= scale * 0.501 && scale > 0)
    }
  }

  @Test func percentileLeavesTheTails() {
    // 10,000 values 0, 1, ..., 9999 and their negatives: 1 % of all is 100 at either end.
    let values = (0..<10000).map(Float.init) + (1...10000).map { -Float($0) }
    let range = histogram(values).range(.percentile(0.99), bits: 8)
    let bin = Float(2 * 16384) / 4096
    #expect(abs(range.high - 9899) <= 2 * bin && abs(range.low + 9900) <= 2 * bin)
    #expect(histogram(values).range(.percentile(1), bits: 8).high == 9999)
  }

  /// The best of a fine grid of ranges, tried on the values themselves.
  @Test(arguments: [7, 8]) func squaredErrorIsAsSmallAsAGridFinds(bits: Int) {
    var random = SplitMix64(seed: 3)
    // Heavy tails on one side.
    let values = random.normals(4000) + random.normals(20).map { abs($0) * 25 }
    let histogram = histogram(values)
    let chosen = histogram.range(.meanSquaredError, bits: bits)
    let found = error(values, chosen, bits: bits)
    var best = Double.infinity
    for low in 1...20 {
      for high in 1...40 {
        let range = ActivationRange(
          low: histogram.minimum * Float(low) / 20, high: histogram.maximum * Float(high) / 40)
        best = min(best, error(values, range, bits: bits))
      }
    }
    #expect(found <= 1.03 * best, "\(found) \(best)")
    #expect(found < error(values, histogram.range(.minMax, bits: bits), bits: bits))
  }

  @Test func entropyCutsALonelyOutlierAndNothingOfAFlatDistribution() {
    var random = SplitMix64(seed: 8)
    var values = random.normals(50000)
    let whole = histogram(values).range(.entropy, bits: 8)
    values.append(200)
    let cut = histogram(values).range(.entropy, bits: 8)
    #expect(cut.high < 20 && cut.high > 2, "\(cut)")
    #expect(whole.high > 2)
    let flat = (0..<40960).map { Float($0) / 20480 - 1 }
    #expect(histogram(flat).range(.entropy, bits: 8).high >= 0.99)
  }

  @Test func clippedShareIsThatOutside() {
    let histogram = histogram((0..<1000).map { Float($0) / 100 })
    #expect(abs(histogram.clipped(by: ActivationRange(low: 0, high: 9)) - 0.1) < 0.005)
    #expect(histogram.clipped(by: histogram.range(.minMax, bits: 8)) == 0)
  }
}
