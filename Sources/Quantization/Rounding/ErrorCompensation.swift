import COpenBLAS
import Runtime

/// Error-compensating rounding of weights (GPTQ, Frantar et al., ICLR 2023): input by input, the
/// error that rounding a column makes in the layer's output is taken back, as far as can be, by
/// the columns not yet rounded.
///
/// With `H = E[x x^T]` and `U^T U = H^-1`, rounding column `i` with error `e` changes the columns
/// `j > i` by `-e U[i][j] / U[i][i]`.
struct ErrorCompensation {
  /// The order in which inputs are rounded: pairs of neighbours, as they limit each other, those of
  /// most power first, as early ones have most others left to make up for them.
  private let order: [Int]
  /// `U` in that order, `[width, width]`.
  private let factor: [Float]

  /// Columns whose errors are passed on to the rest by one product.
  private static let block = 128
  /// Output channels that a thread rounds together.
  private static let rows = 32

  /// Prepares for a layer's input, or nil where its moments are not finite.
  ///
  /// - Parameters:
  ///   - moments: the mean of `x_i x_j`, symmetric.
  ///   - noise: the mean square of what quantising the input adds to every channel.
  ///   - damping: the share of the mean power that is added to every channel's.
  init?(
    width: Int, noise: Double, damping: Double = 0.01, moments: (Int, Int) -> Double
  ) {
    let diagonal = (0..<width).map { moments($0, $0) }
    let mean = diagonal.reduce(0, +) / Double(max(width, 1))
    guard mean.isFinite, mean >= 0 else { return nil }
    let power = (0..<(width + 1) / 2).map { diagonal[2 * $0..<min(2 * $0 + 2, width)].reduce(0, +) }
    let order = power.indices.sorted { (power[$1], $0) < (power[$0], $1) }.flatMap {
      2 * $0..<min(2 * $0 + 2, width)
    }
    // Inputs that never occur have no power; whatever stands there does not matter.
    let ridge = noise + max(damping * mean, .leastNormalMagnitude)
    var matrix = [Double](repeating: 0, count: width * width)
    for i in 0..<width {
      for j in i..<width { matrix[i * width + j] = moments(order[i], order[j]) }
      matrix[i * width + i] += ridge
    }
    guard let factor = Cholesky.upperFactorOfInverse(matrix, size: width) else { return nil }
    self.order = order
    self.factor = factor.map { Float($0) }
  }

  /// Integers of a layer's weights under the scales of its output channels.
  func rounded(_ weight: WeightMatrix, scales: [Float], pool: WorkerPool) -> [Int8] {
    let outputs = weight.outputs
    let jobs = (outputs + Self.rows - 1) / Self.rows
    return [Int8](unsafeUninitializedCapacity: weight.values.count) { target, initialized in
      nonisolated(unsafe) let target = target
      pool.run(jobs: jobs) { job in
        let rows = job * Self.rows..<min((job + 1) * Self.rows, outputs)
        round(rows, of: weight, scales, into: target)
      }
      initialized = weight.values.count
    }
  }

  private func round(
    _ rows: Range<Int>, of weight: WeightMatrix, _ scales: [Float],
    into target: UnsafeMutableBufferPointer<Int8>
  ) {
    let width = weight.inputs
    var values = [Float](repeating: 0, count: rows.count * width)
    for (index, row) in rows.enumerated() {
      for (place, column) in order.enumerated() {
        values[index * width + place] = weight.values[row * width + column]
      }
    }
    var errors = [Float](repeating: 0, count: rows.count * Self.block)
    factor.withUnsafeBufferPointer { factor in
      values.withUnsafeMutableBufferPointer { values in
        for start in stride(from: 0, to: width, by: Self.block) {
          let end = min(start + Self.block, width)
          for (index, row) in rows.enumerated() {
            let scale = scales[row]
            let inverse = scale.isNormal ? 1 / scale : 0
            for place in start..<end {
              let value = values[index * width + place]
              let column = order[place]
              let integer =
                if column % 2 != 0 {
                  weight.rounded(
                    value * inverse, after: Float(target[row * width + column - 1]))
                } else {
                  weight.rounded(
                    value * inverse,
                    before: column + 1 < width ? values[index * width + place + 1] * inverse : 0)
                }
              target[row * width + column] = Int8(integer)
              let error = (value - integer * scale) / factor[place * width + place]
              errors[index * Self.block + place - start] = error
              for later in place + 1..<max(end, place + 1) {
                values[index * width + later] -= error * factor[place * width + later]
              }
            }
          }
          Self.passOn(errors, rows.count, factor, values, start: start, end: end, width: width)
        }
      }
    }
  }

  /// `values[:, end...] -= errors * factor[start..<end, end...]`.
  private static func passOn(
    _ errors: [Float], _ rows: Int, _ factor: UnsafeBufferPointer<Float>,
    _ values: UnsafeMutableBufferPointer<Float>, start: Int, end: Int, width: Int
  ) {
    guard end < width, Matrix.isReady, let factor = factor.baseAddress,
      let values = values.baseAddress
    else { return }
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(rows), Int32(width - end),
      Int32(end - start), -1, errors, Int32(block), factor + start * width + end, Int32(width), 1,
      values + end, Int32(width))
  }
}
