/// The extremes and the mean of every channel of a stream of rows.
public struct ChannelStatistics: Sendable {
  /// The smallest value of each channel.
  public private(set) var minimum: [Float]
  /// The largest value of each channel.
  public private(set) var maximum: [Float]
  /// The number of rows.
  public private(set) var count = 0
  private var sums: [Double]

  /// Empty statistics of rows of `width` channels.
  public init(width: Int) {
    minimum = [Float](repeating: .infinity, count: width)
    maximum = [Float](repeating: -.infinity, count: width)
    sums = [Double](repeating: 0, count: width)
  }

  /// The number of channels.
  public var width: Int { sums.count }

  /// The mean of each channel, 0 before the first row.
  public var mean: [Double] { sums.map { count == 0 ? 0 : $0 / Double(count) } }

  /// The largest magnitude of each channel.
  public var magnitude: [Float] {
    zip(minimum, maximum).map { count == 0 ? 0 : max(abs($0), abs($1)) }
  }

  /// Adds rows, `[rows, width]`; those of one call are summed in single precision.
  public mutating func add(_ rows: UnsafeBufferPointer<Float>) {
    let width = width
    guard width > 0 else { return }
    var part = [Float](repeating: 0, count: width)
    minimum.withUnsafeMutableBufferPointer { minimum in
      maximum.withUnsafeMutableBufferPointer { maximum in
        part.withUnsafeMutableBufferPointer { part in
          for start in stride(from: 0, to: rows.count - width + 1, by: width) {
            for column in 0..<width {
              let value = rows[start + column]
              minimum[column] = value < minimum[column] ? value : minimum[column]
              maximum[column] = value > maximum[column] ? value : maximum[column]
              part[column] += value
            }
          }
        }
      }
    }
    for column in 0..<width { sums[column] += Double(part[column]) }
    count += rows.count / width
  }

  /// Channels whose largest magnitude exceeds `factor` times the median channel's: those that alone
  /// decide a scale which all channels share.
  public func outliers(factor: Float = 6) -> [Int] {
    let magnitude = magnitude
    let sorted = magnitude.sorted()
    guard let median = sorted.dropFirst(sorted.count / 2).first else { return [] }
    return magnitude.indices.filter { magnitude[$0] > factor * median }
  }
}
