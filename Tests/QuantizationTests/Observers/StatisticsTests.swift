import Runtime
import Testing

@testable import Quantization

@Suite struct StatisticsTests {
  private func rows(_ count: Int, _ width: Int, seed: UInt64) -> [Float] {
    var random = SplitMix64(seed: seed)
    return (0..<count * width).map { Float($0 % width % 5) * 0.4 + random.normal() }
  }

  @Test func channelsAreSummedUp() {
    let (first, second) = (rows(13, 7, seed: 1), rows(5, 7, seed: 2))
    var statistics = ChannelStatistics(width: 7)
    first.withUnsafeBufferPointer { statistics.add($0) }
    second.withUnsafeBufferPointer { statistics.add($0) }
    let all = first + second
    for channel in 0..<7 {
      let values = stride(from: channel, to: all.count, by: 7).map { all[$0] }
      #expect(statistics.minimum[channel] == values.min())
      #expect(statistics.maximum[channel] == values.max())
      let mean = values.reduce(0.0) { $0 + Double($1) } / 18
      #expect(abs(statistics.mean[channel] - mean) < 1e-6)
    }
    #expect(statistics.count == 18)
  }

  @Test func outliersAreToldByTheMedian() {
    var statistics = ChannelStatistics(width: 5)
    [1, -2, 1.5, 14, 0.1].withUnsafeBufferPointer { statistics.add($0) }
    // The median magnitude is 1.5: 14 is 9.3 times it.
    #expect(statistics.outliers() == [3])
    #expect(statistics.outliers(factor: 10) == [])
  }

  /// Widths that are and are not multiples of the block of columns.
  @Test(arguments: [1, 5, 256, 300]) func momentsAreSumsOfProducts(width: Int) throws {
    let pool = try WorkerPool(threads: 2)
    let all = rows(19, width, seed: 4)
    var moments = SecondMoments(width: width)
    all[..<(7 * width)].withUnsafeBufferPointer { moments.add($0, pool: pool) }
    all[(7 * width)...].withUnsafeBufferPointer { moments.add($0, pool: pool) }
    for (i, j) in [(0, 0), (0, width - 1), (width - 1, 0), (width / 2, width / 3)] {
      let sum = (0..<19).reduce(0.0) {
        $0 + Double(all[$1 * width + i]) * Double(all[$1 * width + j])
      }
      #expect(abs(moments.mean(i, j) - sum / 19) < 1e-5)
    }
  }

  @Test func samplesAreDrawnEvenlyAndBySeed() {
    func sample(_ seed: UInt64) -> [Float] {
      var sample = RowSample(width: 2, capacity: 30, pictures: 10, seed: seed)
      for picture in 0..<10 {
        let rows = (0..<40).flatMap { [Float(picture), Float($0)] }
        rows.withUnsafeBufferPointer { sample.add($0) }
      }
      return sample.rows
    }
    let rows = sample(1)
    #expect(rows.count == 60 && rows == sample(1) && rows != sample(2))
    for picture in 0..<10 {
      let drawn = stride(from: 0, to: 60, by: 2).filter { rows[$0] == Float(picture) }
      #expect(drawn.count == 3 && Set(drawn.map { rows[$0 + 1] }).count == 3)
    }
  }

  /// Moments, means and extremes after a migration follow from those before.
  @Test func migratedStatisticsEqualThoseOfMigratedRows() throws {
    let pool = try WorkerPool(threads: 1)
    let all = rows(64, 6, seed: 11)
    var random = SplitMix64(seed: 2)
    let migration = Migration(
      scales: (0..<6).map { _ in 0.2 + 3 * random.uniform() }, offsets: random.normals(6))
    var before = InputStatistics(width: 6, capacity: 64, pictures: 1, seed: 1)
    all.withUnsafeBufferPointer { before.add($0, pool: pool) }
    var after = InputStatistics(width: 6, capacity: 64, pictures: 1, seed: 1)
    migration.applied(to: all).withUnsafeBufferPointer { after.add($0, pool: pool) }
    let (derived, seen) = (MigratedStatistics(before, migration), MigratedStatistics(after, nil))
    #expect(derived.rows == seen.rows)
    for i in 0..<6 {
      #expect(abs(derived.mean[i] - seen.mean[i]) < 1e-5)
      #expect(abs(derived.maximum[i] - seen.maximum[i]) < 1e-5)
      for j in 0..<6 { #expect(abs(derived.moment(i, j) - seen.moment(i, j)) < 1e-4) }
    }
  }
}
