import Model
import Runtime

/// How far the correlations between a picture's tokens moved, in the form of DeCLIP's context
/// loss (arXiv 2505.04410, section 3.3): with `S = normalize(q) normalize(q)^T` over patch tokens,
/// the L2 norm of each row of `S_float - S_quantized`, averaged over rows and pictures.
public struct ContextErrorMeter: Sendable {
  private var sum = 0.0
  private var rows = 0
  /// Rows of the matrix that are in memory at a time.
  private static let tile = 256

  /// Makes an empty meter.
  public init() {}

  /// The mean over all rows so far, 0 where there were none.
  public var result: Double { rows == 0 ? 0 : sum / Double(rows) }

  /// Adds one picture's context features, `[tokens, width]` on both sides, heads concatenated.
  ///
  /// - Precondition: both sides have the same number of values, a multiple of `width`.
  public mutating func add(float: [Float], quantized: [Float], width: Int, pool: WorkerPool) {
    precondition(width > 0 && float.count == quantized.count && float.count % width == 0)
    let tokens = float.count / width
    let (a, b) = (normalizedRows(float, width), normalizedRows(quantized, width))
    let tiles = (tokens + Self.tile - 1) / Self.tile
    var sums = [Double](repeating: 0, count: tiles)
    sums.withUnsafeMutableBufferPointer { sums in
      nonisolated(unsafe) let sums = sums
      pool.run(jobs: tiles) { job in
        let first = job * Self.tile
        let count = min(Self.tile, tokens - first)
        var difference = [Float](repeating: 0, count: count * tokens)
        a.withUnsafeBufferPointer { a in
          Matrix.multiplyTransposed(
            a, from: first, rows: count, by: a, rows: tokens, width: width, into: &difference)
        }
        b.withUnsafeBufferPointer { b in
          Matrix.multiplyTransposed(
            b, from: first, rows: count, by: b, rows: tokens, width: width, scale: -1, adding: 1,
            into: &difference)
        }
        for row in 0..<count {
          var square = 0.0
          for value in difference[row * tokens..<(row + 1) * tokens] {
            square += Double(value) * Double(value)
          }
          sums[job] += square.squareRoot()
        }
      }
    }
    sum += sums.reduce(0, +)
    rows += tokens
  }
}
