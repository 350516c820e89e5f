import Testing

@testable import Quantization

@Suite struct ActivationHistogramTests {
  private func histogram(_ parts: [[Float]]) -> ActivationHistogram {
    var histogram = ActivationHistogram()
    for part in parts { part.withUnsafeBufferPointer { histogram.add($0) } }
    return histogram
  }

  /// Growth merges bins exactly: what came before a larger value is counted as if it came after.
  @Test func orderDoesNotShow() {
    var random = SplitMix64(seed: 5)
    let small = random.normals(3000).map { $0 * 0.01 }
    let large = random.normals(500).map { $0 * 90 }
    let (a, b) = (histogram([small, [0, 0], large]), histogram([large, small, [0, 0]]))
    #expect(a.bins == b.bins && a.reach == b.reach && a.count == 3502)
    #expect(a.minimum == (small + large).min() && a.maximum == (small + large).max())
    #expect(a.bins.reduce(0, +) == a.count)
  }

  @Test func binsHoldTheirValues() {
    let histogram = histogram([[-1.5, -0.75, 0.3, 0.3, 1.99]])
    for value: Float in [-1.5, -0.75, 0.3, 1.99] {
      let bin = histogram.bins.indices.first {
        histogram.bins[$0] > 0
          && abs(histogram.centre(of: $0) - Double(value)) <= histogram.binWidth / 2 + 1e-7
      }
      #expect(bin.map { histogram.bins[$0] } == (value == 0.3 ? 2 : 1), "\(value)")
    }
  }

  @Test(arguments: [
    [Float](repeating: 0, count: 9), [Float.leastNonzeroMagnitude, 0],
    [Float.greatestFiniteMagnitude, 1],
    [-Float.greatestFiniteMagnitude, Float.greatestFiniteMagnitude], [Float(1e-38), -1e-38],
  ])
  func extremesAreCounted(values: [Float]) {
    let histogram = histogram([values])
    #expect(histogram.count == UInt64(values.count))
    #expect(histogram.bins.reduce(0, +) == UInt64(values.count))
    for method: RangeMethod in [.minMax, .percentile(0.99), .meanSquaredError, .entropy] {
      let range = histogram.range(method, bits: 8)
      let (scale, zeroPoint) = range.quantization(bits: 8)
      #expect(scale > 0 && (0...255).contains(zeroPoint), "\(method)")
    }
  }

  @Test func whatIsNotFiniteIsKeptApart() {
    let histogram = histogram([[1, .nan, .infinity, -2, -.infinity]])
    #expect(histogram.count == 2 && histogram.notFinite == 3)
    #expect(histogram.minimum == -2 && histogram.maximum == 1)
  }

  @Test func coarseKeepsAllCounts() {
    var random = SplitMix64(seed: 9)
    let histogram = histogram([random.normals(5000)])
    let coarse = histogram.coarse(128, low: histogram.minimum, high: histogram.maximum)
    #expect(coarse.count == 128 && coarse.reduce(0, +) == 5000)
    #expect(coarse.firstIndex(of: coarse.max() ?? 0).map { (40...90).contains($0) } == true)
  }
}
