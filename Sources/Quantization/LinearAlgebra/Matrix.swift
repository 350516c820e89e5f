import COpenBLAS
import Runtime

/// Products of row-major matrices in single precision, on the calling thread.
enum Matrix {
  /// OpenBLAS computes on the calling thread only; more threads are the pool's affair.
  static let isReady: Bool = {
    openblas_set_num_threads(1)
    return true
  }()

  /// `c = scale * a[from...] b^T + adding * c` with a `[..., width]`, of which `rows` rows are
  /// taken, and b `[columns, width]`.
  static func multiplyTransposed(
    _ a: UnsafeBufferPointer<Float>, from first: Int, rows: Int, by b: UnsafeBufferPointer<Float>,
    rows columns: Int, width: Int, scale: Float = 1, adding: Float = 0, into c: inout [Float]
  ) {
    c.withUnsafeMutableBufferPointer { c in
      multiplyTransposed(
        a, from: first, rows: rows, by: b, rows: columns, width: width, scale: scale,
        adding: adding, into: c)
    }
  }

  /// The same into memory that is not an array of its own.
  static func multiplyTransposed(
    _ a: UnsafeBufferPointer<Float>, from first: Int, rows: Int, by b: UnsafeBufferPointer<Float>,
    rows columns: Int, width: Int, scale: Float = 1, adding: Float = 0,
    into c: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(
      (first + rows) * width <= a.count && columns * width <= b.count
        && rows * columns <= c.count)
    guard isReady, rows > 0, columns > 0, let a = a.baseAddress, let b = b.baseAddress,
      let c = c.baseAddress
    else { return }
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasTrans, Int32(rows), Int32(columns), Int32(width), scale,
      a + first * width, Int32(width), b, Int32(width), adding, c, Int32(columns))
  }

  /// The rows of a part of a product: sums depend on a product's shape, and so must not on threads.
  private static let partRows = 96

  /// `rows weight^T` on all threads of a pool: rows `[count, width]`, weight `[outputs, width]`,
  /// result `[count, outputs]`. The same for any number of threads.
  static func product(
    of rows: [Float], with weight: [Float], width: Int, pool: WorkerPool
  ) -> [Float] {
    let (count, outputs) = (rows.count / width, weight.count / width)
    let parts = (count + partRows - 1) / partRows
    return [Float](unsafeUninitializedCapacity: count * outputs) { target, initialized in
      nonisolated(unsafe) let target = target
      rows.withUnsafeBufferPointer { rows in
        weight.withUnsafeBufferPointer { weight in
          nonisolated(unsafe) let (rows, weight) = (rows, weight)
          pool.run(jobs: parts) { job in
            let part = count * job / parts..<count * (job + 1) / parts
            let slice = UnsafeMutableBufferPointer(
              rebasing: target[part.lowerBound * outputs..<part.upperBound * outputs])
            multiplyTransposed(
              rows, from: part.lowerBound, rows: part.count, by: weight, rows: outputs,
              width: width, into: slice)
          }
        }
      }
      initialized = count * outputs
    }
  }
}
