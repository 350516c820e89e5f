import COpenBLAS

/// The arithmetic that scales are fitted with.
enum Arithmetic {
  /// The library that multiplies floats, its version, and the processor whose kernels it chose, such as
  /// `OpenBLAS 0.3.21 SkylakeX`: where these are the same, so are the bytes that calibration writes.
  static var name: String {
    // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..."
    let library = String(cString: openblas_get_config()).split(separator: " ").prefix(2)
    return (library + [Substring(String(cString: openblas_get_corename()))]).joined(separator: " ")
  }
}
