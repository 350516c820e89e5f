import CKernels

/// What multiplies matrices of floats for an engine.
enum FloatProducts {
  /// OpenBLAS, the fastest. Its sums depend on the processor and on the shape of a product, so that
  /// products are cut by their size and never by the number of threads.
  case openBLAS
  /// The kernels' own product, whose bits are the same on every processor and however it is cut.
  case fixedOrder

  /// The columns of a part of a product by OpenBLAS.
  private static let partColumns = 128
  /// The rows of a part of the patch embedding by OpenBLAS.
  private static let partRows = 96

  /// The parts that the columns of a product are cut into.
  func parts(columns: Int, threads: Int) -> Int {
    switch self {
    case .openBLAS: (columns + Self.partColumns - 1) / Self.partColumns
    case .fixedOrder: threads
    }
  }

  /// The parts that the rows of a product are cut into.
  func parts(rows: Int, threads: Int) -> Int {
    switch self {
    case .openBLAS: (rows + Self.partRows - 1) / Self.partRows
    case .fixedOrder: threads
    }
  }
}

/// `output = factor * (start + a b)`, the start being what the output holds where it accumulates, else
/// 0, with a `[rows, terms]`, b `[terms, columns]`, or `[columns, terms]` where it is transposed; all
/// matrices are row-major.
struct MatrixProduct {
  var rows: Int
  var columns: Int
  var terms: Int
  var a: UnsafePointer<Float>
  var aStride: Int
  var b: UnsafePointer<Float>
  var bStride: Int
  var isTransposed: Bool
  var accumulates = false
  var factor: Float = 1
}

extension FloatEngine {
  /// Computes a product on the calling thread.
  func multiply(
    _ product: MatrixProduct, to output: UnsafeMutablePointer<Float>, stride: Int
  ) {
    switch products {
    case .openBLAS: BLAS.multiply(product, to: output, stride: stride)
    case .fixedOrder:
      var arguments = declip_float_product(
        rows: product.rows, columns: product.columns, terms: product.terms, a: product.a,
        a_stride: product.aStride, b: product.b, b_stride: product.bStride,
        is_transposed: product.isTransposed ? 1 : 0, accumulates: product.accumulates ? 1 : 0,
        factor: product.factor)
      kernels.multiply(&arguments, output, stride)
    }
  }
}
