import Model
import Runtime
import Testing

@testable import Quantization

@Suite struct ErrorCompensationTests {
  /// Correlated inputs: a few factors and noise.
  private func inputs(_ rows: Int, _ width: Int, seed: UInt64) -> [Float] {
    var random = SplitMix64(seed: seed)
    let mixing = random.normals(6 * width)
    return (0..<rows).flatMap { _ in
      let factors = random.normals(6)
      return (0..<width).map { column in
        0.3 * random.normal()
          + (0..<6).reduce(Float(0)) { $0 + factors[$1] * mixing[$1 * width + column] }
      }
    }
  }

  private func compensation(_ rows: [Float], _ width: Int, _ pool: WorkerPool) throws
    -> ErrorCompensation
  {
    var moments = SecondMoments(width: width)
    rows.withUnsafeBufferPointer { moments.add($0, pool: pool) }
    return try #require(ErrorCompensation(width: width, noise: 0, moments: moments.mean))
  }

  private func outputError(
    _ weight: WeightMatrix, _ integers: [Int8], _ scales: [Float], _ rows: [Float],
    _ pool: WorkerPool
  ) -> Double {
    let width = weight.inputs
    let difference = integers.indices.map {
      Float(integers[$0]) * scales[$0 / width] - weight.values[$0]
    }
    return Matrix.product(of: rows, with: difference, width: width, pool: pool)
      .reduce(0) { $0 + Double($1) * Double($1) }
  }

  @Test func factorIsThatOfTheInverse() throws {
    let matrix: [Double] = [4, 2, 0.6, 2, 5, 1.5, 0.6, 1.5, 3]
    let factor = try #require(Cholesky.upperFactorOfInverse(matrix, size: 3))
    // (U^T U) H = 1.
    for i in 0..<3 {
      for j in 0..<3 {
        var sum = 0.0
        for k in 0..<3 {
          let inverse = (0..<3).reduce(0.0) { $0 + factor[$1 * 3 + i] * factor[$1 * 3 + k] }
          sum += inverse * matrix[k * 3 + j]
        }
        #expect(abs(sum - (i == j ? 1 : 0)) < 1e-12)
      }
      for j in 0..<i { #expect(factor[i * 3 + j] == 0) }
    }
    #expect(Cholesky.upperFactorOfInverse([1, 2, 2, 1], size: 2) == nil)
  }

  /// Widths below, at and beyond the block of columns; on rows that the moments were not taken of.
  @Test(arguments: [24, 128, 299, 300], [7, 8]) func outputErrorFalls(width: Int, bits: Int) throws
  {
    let pool = try WorkerPool(threads: 2)
    let compensation = try compensation(inputs(900, width, seed: 21), width, pool)
    var random = SplitMix64(seed: 22)
    let weight = WeightMatrix(values: random.normals(40 * width), inputs: width, bits: bits)
    let scales = weight.scales(.minMax, power: [], pool: pool)
    // The same factors in other amounts.
    let rows = inputs(1200, width, seed: 21).suffix(200 * width)
    let nearest = outputError(
      weight, weight.rounded(scales, pool: pool), scales, Array(rows), pool)
    let integers = compensation.rounded(weight, scales: scales, pool: pool)
    let compensated = outputError(weight, integers, scales, Array(rows), pool)
    #expect(compensated < 0.6 * nearest, "\(compensated) of \(nearest)")
    #expect(integers.allSatisfy { abs(Int($0)) <= (bits == 7 ? 63 : 127) })
    #expect(try #require(QuantizedMatrix(values: integers, scales: scales)).keepsToPairLimit)
    let oneThread = try WorkerPool(threads: 1)
    #expect(integers == compensation.rounded(weight, scales: scales, pool: oneThread))
  }

  /// Inputs that do not go together leave nothing to compensate by.
  @Test func independentInputsRoundToTheNearest() throws {
    let pool = try WorkerPool(threads: 1)
    let compensation = try #require(
      ErrorCompensation(width: 9, noise: 0.1) { $0 == $1 ? Double($0 + 1) : 0 })
    var random = SplitMix64(seed: 23)
    let weight = WeightMatrix(values: random.normals(27), inputs: 9, bits: 8)
    let scales = weight.scales(.minMax, power: [], pool: pool)
    #expect(
      compensation.rounded(weight, scales: scales, pool: pool)
        == weight.rounded(scales, pool: pool))
  }

  /// Two inputs that are always equal: the second takes back the first's error.
  @Test func equalInputsShareTheirError() throws {
    let pool = try WorkerPool(threads: 1)
    let compensation = try #require(
      ErrorCompensation(width: 2, noise: 0, damping: 1e-6) { _, _ in 1 })
    let weight = WeightMatrix(values: [0.4, 0.4], inputs: 2, bits: 8)
    // Either alone rounds to 0; together they are 0.8, which 1 is nearer to.
    let integers = compensation.rounded(weight, scales: [1], pool: pool)
    #expect(integers.map { Int($0) }.reduce(0, +) == 1)
  }

  @Test func inputsThatNeverOccurDoNoHarm() throws {
    let pool = try WorkerPool(threads: 1)
    let compensation = try #require(
      ErrorCompensation(width: 4, noise: 0) { _, _ in 0 })
    let weight = WeightMatrix(values: [1, -0.5, 0.25, 0], inputs: 4, bits: 8)
    let integers = compensation.rounded(weight, scales: [1 / 127], pool: pool)
    #expect(integers == [127, -64, 32, 0])
    #expect(ErrorCompensation(width: 1, noise: 0) { _, _ in .nan } == nil)
  }
}
