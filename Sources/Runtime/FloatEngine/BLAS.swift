import COpenBLAS

/// OpenBLAS's single-precision products on the calling thread; all matrices are row-major.
enum BLAS {
  /// Touched by every pool of threads, and so before any product: OpenBLAS then computes on the
  /// calling thread only, as it is called by the pool's threads, and has no threads of its own any
  /// more, which keep processors busy for some 50 ms after the library is loaded.
  ///
  /// The setting is one of the whole process. Who makes it another one changes how products are cut,
  /// and with that the last bits of sums, in every float engine that runs at that time.
  static let leavesThreadsToPools: Void = {
    openblas_set_num_threads(1)
    openblas_end_threads()
  }()

  /// Computes a product on the calling thread.
  static func multiply(
    _ product: MatrixProduct, to output: UnsafeMutablePointer<Float>, stride: Int
  ) {
    let (m, n, k) = (Int32(product.rows), Int32(product.columns), Int32(product.terms))
    let beta = product.accumulates ? product.factor : 0
    if product.rows == 1 && product.isTransposed {
      cblas_sgemv(
        CblasRowMajor, CblasNoTrans, n, k, product.factor, product.b, Int32(product.bStride),
        product.a, 1, beta, output, 1)
    } else {
      cblas_sgemm(
        CblasRowMajor, CblasNoTrans, product.isTransposed ? CblasTrans : CblasNoTrans, m, n, k,
        product.factor, product.a, Int32(product.aStride), product.b, Int32(product.bStride), beta,
        output, Int32(stride))
    }
  }
}
