import Runtime
import Testing

@testable import Quantization

@Suite struct WeightRangeTests {
  private func error(_ weight: WeightMatrix, _ scales: [Float], _ pool: WorkerPool) -> Double {
    let integers = weight.rounded(scales, pool: pool)
    return weight.values.indices.reduce(0) {
      let value = Float(integers[$1]) * scales[$1 / weight.inputs]
      return $0 + Double(value - weight.values[$1]) * Double(value - weight.values[$1])
    }
  }

  @Test(arguments: [7, 8]) func integersKeepToTheirBits(bits: Int) throws {
    let pool = try WorkerPool(threads: 2)
    var random = SplitMix64(seed: 6)
    let weight = WeightMatrix(values: random.normals(40 * 24), inputs: 24, bits: bits)
    let limit = bits == 7 ? 63 : 127
    for range in [WeightRange.minMax, .meanSquaredError] {
      let scales = weight.scales(range, power: Array(repeating: 1, count: 24), pool: pool)
      let integers = weight.rounded(scales, pool: pool).map { abs(Int($0)) }
      #expect(integers.max() == limit)
      for index in weight.values.indices {
        let value = weight.values[index] / scales[index / 24]
        guard abs(value) <= Float(limit) else { continue }
        let integer = Int(weight.rounded(scales, pool: pool)[index])
        #expect(abs(Float(integer) - value) <= 0.5001)
      }
    }
  }

  /// A channel with one far weight that hardly any input meets is clipped, and gains by it.
  @Test func squaredErrorClipsWhatCostsLittle() throws {
    let pool = try WorkerPool(threads: 1)
    var random = SplitMix64(seed: 7)
    var values = random.normals(256)
    values[9] = 12
    let weight = WeightMatrix(values: values, inputs: 256, bits: 7)
    let power = (0..<256).map { $0 == 9 ? 1e-4 : 1.0 }
    let widest = weight.scales(.minMax, power: power, pool: pool)
    let chosen = weight.scales(.meanSquaredError, power: power, pool: pool)
    #expect(chosen[0] < 0.6 * widest[0])
    // All inputs alike: the far weight is worth its range less clipping, never more error.
    let even = [Double](repeating: 1, count: 256)
    let scales = weight.scales(.meanSquaredError, power: even, pool: pool)
    #expect(error(weight, scales, pool) <= error(weight, widest, pool))
  }

  @Test func channelsWithoutScaleVanish() throws {
    let pool = try WorkerPool(threads: 1)
    let weight = WeightMatrix(
      values: [0, 0, .leastNonzeroMagnitude, 1e-44, 1, -1], inputs: 2, bits: 8)
    let scales = weight.scales(.meanSquaredError, power: [1, 1], pool: pool)
    #expect(weight.rounded(scales, pool: pool) == [0, 0, 0, 0, 127, -127])
  }
}
