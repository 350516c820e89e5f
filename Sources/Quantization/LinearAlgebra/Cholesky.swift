import COpenBLAS
import Model

/// Factors of symmetric positive definite matrices, in double precision by LAPACK.
enum Cholesky {
  /// The upper factor `U` of the inverse, `U^T U = H^-1`, row-major with zeros below the diagonal.
  ///
  /// `matrix` is `[size, size]`, symmetric; only its upper triangle is read. Nil where it is not
  /// positive definite.
  static func upperFactorOfInverse(_ matrix: [Double], size: Int) -> [Double]? {
    precondition(matrix.count == size * size)
    guard size > 0, Matrix.isReady else { return nil }
    var a = matrix
    var order = Int32(size)
    var status: Int32 = 0
    // LAPACK's matrices lie column by column: its lower triangle is the upper one of these rows.
    var lower = CChar(UInt8(ascii: "L"))
    dpotrf_(&lower, &order, &a, &order, &status, 1)
    guard status == 0 else { return nil }
    dpotri_(&lower, &order, &a, &order, &status, 1)
    guard status == 0 else { return nil }
    dpotrf_(&lower, &order, &a, &order, &status, 1)
    guard status == 0 else { return nil }
    // Now a[row][column] with column >= row holds L[column][row], L L^T = H^-1: the rows of U.
    for row in 0..<size {
      for column in 0..<row { a[row * size + column] = 0 }
    }
    return a
  }
}
