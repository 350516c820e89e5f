import Runtime

/// What is known of the rows that a group of layers reads.
public struct InputStatistics: Sendable {
  /// The distribution of all values.
  public private(set) var histogram = ActivationHistogram()
  /// The extremes and the mean of every channel.
  public private(set) var channels: ChannelStatistics
  /// The mean of products of channels.
  public private(set) var moments: SecondMoments
  /// Some of the rows.
  public private(set) var sample: RowSample

  /// Empty statistics; `capacity` rows are sampled from `pictures` pictures.
  public init(width: Int, capacity: Int, pictures: Int, seed: UInt64) {
    channels = ChannelStatistics(width: width)
    moments = SecondMoments(width: width)
    sample = RowSample(width: width, capacity: capacity, pictures: pictures, seed: seed)
  }

  /// Adds one picture's rows, `[rows, width]`.
  public mutating func add(_ rows: UnsafeBufferPointer<Float>, pool: WorkerPool) {
    histogram.add(rows)
    channels.add(rows)
    moments.add(rows, pool: pool)
    sample.add(rows)
  }
}

/// The statistics of rows after a migration, derived without seeing the rows again.
struct MigratedStatistics {
  let width: Int
  let minimum: [Float]
  let maximum: [Float]
  let mean: [Double]
  /// Sampled rows, migrated.
  let rows: [Float]
  private let moments: SecondMoments
  private let scales: [Double]
  private let offsets: [Double]
  private let originalMean: [Double]

  init(_ statistics: InputStatistics, _ migration: Migration?) {
    width = statistics.channels.width
    moments = statistics.moments
    let mean = statistics.channels.mean
    let scales = migration?.scales ?? [Float](repeating: 1, count: width)
    let offsets = migration?.offsets ?? [Float](repeating: 0, count: width)
    func moved(_ values: [Float]) -> [Float] {
      values.indices.map { (values[$0] - offsets[$0]) / scales[$0] }
    }
    minimum = moved(statistics.channels.minimum)
    maximum = moved(statistics.channels.maximum)
    rows = migration?.applied(to: statistics.sample.rows) ?? statistics.sample.rows
    self.scales = scales.map(Double.init)
    self.offsets = offsets.map(Double.init)
    self.mean = mean.indices.map { (mean[$0] - Double(offsets[$0])) / Double(scales[$0]) }
    originalMean = mean
  }

  /// The mean of `x'_i x'_j`.
  func moment(_ i: Int, _ j: Int) -> Double {
    let (z, y) = (offsets[i], offsets[j])
    let centred =
      moments.mean(i, j) - z * originalMean[j] - y * originalMean[i] + z * y
    return centred / (scales[i] * scales[j])
  }

  /// The mean square of every channel.
  var power: [Double] { (0..<width).map { max(moment($0, $0), 0) } }

  /// The distribution of the sampled rows' values, widened to the extremes of all rows.
  var histogram: ActivationHistogram {
    var histogram = ActivationHistogram()
    rows.withUnsafeBufferPointer { histogram.add($0) }
    for extremes in [minimum, maximum] {
      let finite = extremes.filter(\.isFinite)
      finite.withUnsafeBufferPointer { histogram.add($0) }
    }
    return histogram
  }
}
