import COpenBLAS

/// OpenBLAS's single-precision products on the calling thread; all matrices are row-major.
enum BLAS {
  /// Touched by every pool of threads, and so before any product: OpenBLAS then computes on the
  /// calling thread only, as it is called by the pool's threads, and has no threads of its own any
  /// more, which keep processors busy for some 50 ms after the library is loaded.
  ///
  /// The setting is one of the whole process. Who makes it another one changes how products are cut,
  /// and with that the last bits of sums, in every engine that runs at that time.
  static let leavesThreadsToPools: Void = {
    openblas_set_num_threads(1)
    openblas_end_threads()
  }()

  /// `c = alpha a b + beta c` with a `[m, k]`, b `[k, n]`, or `[n, k]` where it is transposed.
  static func multiply(
    m: Int, n: Int, k: Int, alpha: Float = 1, _ a: UnsafePointer<Float>, stride lda: Int,
    _ b: UnsafePointer<Float>, stride ldb: Int, isTransposed: Bool, beta: Float,
    _ c: UnsafeMutablePointer<Float>, stride ldc: Int
  ) {
    if m == 1 && isTransposed {
      cblas_sgemv(
        CblasRowMajor, CblasNoTrans, Int32(n), Int32(k), alpha, b, Int32(ldb), a, 1, beta, c, 1)
    } else {
      cblas_sgemm(
        CblasRowMajor, CblasNoTrans, isTransposed ? CblasTrans : CblasNoTrans, Int32(m), Int32(n),
        Int32(k), alpha, a, Int32(lda), b, Int32(ldb), beta, c, Int32(ldc))
    }
  }
}
