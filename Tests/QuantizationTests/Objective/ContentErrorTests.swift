import Runtime
import Testing

@testable import Quantization

@Suite struct ContentErrorTests {
  @Test func equalFeaturesHaveNoError() {
    var random = SplitMix64(seed: 31)
    let rows = random.normals(50 * 8)
    var meter = ContentErrorMeter()
    meter.add(float: rows, quantized: rows.map { $0 * 3 }, width: 8)
    let result = meter.result
    #expect(result.tokens == 50)
    #expect(abs(result.cosine - 1) < 1e-6 && abs(result.centredCosine - 1) < 1e-5)
    #expect(result.shift < 1e-3 && result.firstPercentile > 1 - 1e-6)
  }

  /// Four tokens in the plane, by hand: unit vectors at 0, 90, 180 and 270 degrees against the same
  /// with one turned by 60.
  @Test func figuresAreThoseByHand() {
    let float: [Float] = [1, 0, 0, 1, -1, 0, 0, -1]
    let turned: [Float] = [0.5, 0.866_025_4, 0, 1, -1, 0, 0, -1]
    var meter = ContentErrorMeter()
    meter.add(float: float, quantized: turned, width: 2)
    let result = meter.result
    #expect(abs(result.cosine - 3.5 / 4) < 1e-6)
    #expect(abs(result.firstPercentile - 0.5) < 0.01)
    // The mean moves from 0 to (-0.125, 0.2165): 0.25, in units of a spread of 1.
    #expect(abs(result.shift - 0.25) < 1e-6)
    // Centred: x . (y - m) / |y - m| for each token.
    let mean = (-0.125, 0.216_506_35)
    var sum = 0.0
    for token in 0..<4 {
      let (x0, x1) = (Double(float[2 * token]), Double(float[2 * token + 1]))
      let (y0, y1) = (
        Double(turned[2 * token]) - mean.0, Double(turned[2 * token + 1]) - mean.1
      )
      sum += (x0 * y0 + x1 * y1) / (y0 * y0 + y1 * y1).squareRoot()
    }
    #expect(abs(result.centredCosine - sum / 4) < 1e-6)
  }

  /// A mean that all tokens share hides an error from plain cosines, not from centred ones.
  @Test func aLargeMeanFlatters() {
    var random = SplitMix64(seed: 32)
    let tokens = random.normals(100 * 16)
    let noise = random.normals(100 * 16)
    let float = tokens.map { 20 + $0 }
    let quantized = zip(float, noise).map { $0 + $1 }
    var meter = ContentErrorMeter()
    meter.add(float: float, quantized: quantized, width: 16)
    #expect(meter.result.cosine > 0.995 && meter.result.centredCosine < 0.8)
  }

  @Test func damagedFeaturesCountAsWorst() {
    var meter = ContentErrorMeter()
    meter.add(float: [1, 0, 0, 1], quantized: [.nan, 0, 0, 1], width: 2)
    #expect(meter.result.firstPercentile < -0.9 && meter.result.cosine < 0.1)
  }

  @Test func percentilesAreThoseOfSortedCosines() {
    var random = SplitMix64(seed: 33)
    var distribution = CosineDistribution()
    let cosines = (0..<5000).map { _ in 1 - Double(random.uniform()) * Double(random.uniform()) }
    for cosine in cosines { distribution.add(cosine) }
    let sorted = cosines.sorted()
    for share in [0.01, 0.1, 0.5, 1] {
      let expected = sorted[Int((share * 5000).rounded(.up)) - 1]
      let found = distribution.percentile(share)
      #expect(abs(found - expected) <= 0.012 * (1 - expected) + 1e-9, "\(share)")
    }
  }
}

@Suite struct ContextErrorTests {
  /// Against sums written out, with more tokens than a tile has rows.
  @Test func rowsOfTheDifferenceAreAveraged() throws {
    let pool = try WorkerPool(threads: 2)
    let (tokens, width) = (300, 5)
    var random = SplitMix64(seed: 34)
    let float = random.normals(tokens * width)
    let quantized = float.map { $0 + 0.05 * random.normal() }
    var meter = ContextErrorMeter()
    meter.add(float: float, quantized: quantized, width: width, pool: pool)
    func correlation(_ rows: [Float], _ i: Int, _ j: Int) -> Double {
      let (a, b) = (rows[i * width..<(i + 1) * width], rows[j * width..<(j + 1) * width])
      func length(_ x: ArraySlice<Float>) -> Double {
        x.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      }
      return zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) } / (length(a) * length(b))
    }
    var expected = 0.0
    for i in 0..<tokens {
      var square = 0.0
      for j in 0..<tokens {
        let difference = correlation(float, i, j) - correlation(quantized, i, j)
        square += difference * difference
      }
      expected += square.squareRoot() / Double(tokens)
    }
    #expect(abs(meter.result - expected) < 1e-5 * expected)
    var same = ContextErrorMeter()
    same.add(float: float, quantized: float, width: width, pool: pool)
    #expect(same.result == 0)
  }
}

@Suite struct LabelAgreementTests {
  @Test func patchesThatKeepTheirClassAreCounted() {
    let classes: [Float] = [1, 0, 0, 1, -1, 0]
    var meter = LabelAgreementMeter(embeddings: classes, width: 2)
    let float: [Float] = [5, 1, 1, 5, -5, 1, 0.1, -9]
    let moved: [Float] = [5, 2, 5, 1, -5, 2, 9, 9]
    meter.add(float: float, quantized: moved, shown: [0, 1, 2])
    #expect(abs(meter.result - 2.0 / 3) < 1e-12)
    meter.add(float: float, quantized: float, shown: [3])
    #expect(meter.result == 0.75)
  }
}

@Suite struct SignalToNoiseTests {
  @Test func aHundredthOfThePowerIsTwentyDecibels() {
    var ratio = SignalToNoise()
    ratio.add(expected: [10, -10], found: [11, -9])
    #expect(abs(ratio.decibels - 20) < 1e-9)
    var same = SignalToNoise()
    same.add(expected: [1], found: [1])
    #expect(same.decibels == .infinity)
  }
}
