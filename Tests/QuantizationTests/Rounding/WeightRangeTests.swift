import Model
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
        let neighbour = index % 24 ^ 1
        let other = weight.values[index / 24 * 24 + neighbour] / scales[index / 24]
        guard abs(value) <= Float(limit), abs(value + other) <= 128 else { continue }
        let integer = Int(weight.rounded(scales, pool: pool)[index])
        #expect(abs(Float(integer) - value) <= 0.5001)
      }
    }
  }

  /// Of two neighbours that are too much together, each gives up half of the excess.
  @Test(arguments: [24, 25]) func neighboursFitTogether(width: Int) throws {
    let pool = try WorkerPool(threads: 2)
    var random = SplitMix64(seed: 8)
    // Magnitudes alike, so that half of all pairs of one sign exceed the limit.
    let values = random.normals(40 * width).map { $0 < 0 ? $0 / 8 - 1 : $0 / 8 + 1 }
    let weight = WeightMatrix(values: values, inputs: width, bits: 8)
    let clipping = [Float](repeating: 1.2 / 127, count: 40)
    for scales in [
      weight.scales(.minMax, power: [], pool: pool),
      weight.scales(.meanSquaredError, power: Array(repeating: 1, count: width), pool: pool),
      clipping,
    ] {
      let integers = weight.rounded(scales, pool: pool)
      let matrix = try #require(QuantizedMatrix(values: integers, scales: scales))
      #expect(matrix.keepsToPairLimit)
      for row in 0..<40 {
        for first in stride(from: row * width, to: (row + 1) * width - 1, by: 2) {
          let wanted = (values[first] / scales[row], values[first + 1] / scales[row])
          guard wanted.0 + wanted.1 > 129, max(wanted.0, wanted.1) < 127 else { continue }
          let given = (Float(integers[first]), Float(integers[first + 1]))
          #expect(given.0 + given.1 == 128)
          #expect(abs((wanted.0 - given.0) - (wanted.1 - given.1)) <= 1.01)
        }
      }
    }
    // Nothing is clipped by the widest range, and it is no wider than that takes.
    let scales = weight.scales(.minMax, power: [], pool: pool)
    for row in 0..<40 {
      let channel = values[row * width..<(row + 1) * width].map { $0 / scales[row] }
      let pairs = (0..<width / 2).map { abs(channel[2 * $0] + channel[2 * $0 + 1]) }
      #expect(abs(max(channel.map(abs).max()! / 127, pairs.max()! / 128) - 1) < 1e-5)
    }
  }

  /// Without the limit nothing but magnitudes counts.
  @Test func neighboursMayBeFree() throws {
    let pool = try WorkerPool(threads: 1)
    let weight = WeightMatrix(
      values: [1, 1, -1, -0.9, 0.5, -1], inputs: 6, bits: 8, limitsPairs: false)
    let scales = weight.scales(.minMax, power: [], pool: pool)
    #expect(scales == [1 / 127])
    #expect(weight.rounded(scales, pool: pool) == [127, 127, -127, -114, 64, -127])
    var limited = weight
    limited.limitsPairs = true
    #expect(limited.rounded(scales, pool: pool) == [64, 64, -70, -58, 64, -127])
  }

  @Test func aPairBeyondTheLimitShows() throws {
    func keeps(_ values: [Int8], rows: Int = 1) throws -> Bool {
      let scales = [Float](repeating: 1, count: rows)
      return try #require(QuantizedMatrix(values: values, scales: scales)).keepsToPairLimit
    }
    #expect(try keeps([127, 1, -128, 0, 64, 64]))
    #expect(try keeps([0, 127, 127, 0]))
    #expect(try keeps([127, -127, -127, 127]))
    #expect(try !keeps([0, 0, 64, 65]))
    #expect(try !keeps([-64, -65]))
    // Rows of odd width: the last has no neighbour.
    #expect(try keeps([0, 0, 127, 127, 1, 0], rows: 2))
    #expect(try !keeps([0, 0, 127, 127, 2, 0], rows: 2))
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
