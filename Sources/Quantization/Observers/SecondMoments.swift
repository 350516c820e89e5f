import COpenBLAS
import Runtime

/// The sum of `x x^T` over a stream of rows: from it follows the squared error of a linear layer's
/// output for any change of its weights.
public struct SecondMoments: Sendable {
  /// The number of channels.
  public let width: Int
  /// The number of rows.
  public private(set) var count = 0
  /// `[width, width]`; only the upper triangle is kept.
  private var sums: [Float]

  /// The columns of a block that one thread multiplies at a time.
  private static let block = 256

  /// Empty moments of rows of `width` channels.
  public init(width: Int) {
    self.width = width
    sums = [Float](repeating: 0, count: width * width)
  }

  /// The mean of `x_i x_j`, 0 before the first row.
  public func mean(_ i: Int, _ j: Int) -> Double {
    count == 0 ? 0 : Double(sums[min(i, j) * width + max(i, j)]) / Double(count)
  }

  /// Adds rows, `[rows, width]`.
  public mutating func add(_ rows: UnsafeBufferPointer<Float>, pool: WorkerPool) {
    let width = width
    guard width > 0, Matrix.isReady, let base = rows.baseAddress else { return }
    let blocks = (width + Self.block - 1) / Self.block
    let pairs = (0..<blocks).flatMap { i in (i..<blocks).map { (i, $0) } }
    let number = rows.count / width
    sums.withUnsafeMutableBufferPointer { sums in
      nonisolated(unsafe) let (sums, base) = (sums, base)
      pool.run(jobs: pairs.count) { job in
        let (i, j) = (pairs[job].0 * Self.block, pairs[job].1 * Self.block)
        guard let target = sums.baseAddress else { return }
        cblas_sgemm(
          CblasRowMajor, CblasTrans, CblasNoTrans, Int32(min(Self.block, width - i)),
          Int32(min(Self.block, width - j)), Int32(number), 1, base + i, Int32(width), base + j,
          Int32(width), 1, target + i * width + j, Int32(width))
      }
    }
    count += number
  }
}
