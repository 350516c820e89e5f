import CKernels
import Model

/// The SIMD kernels that this process computes with, chosen once.
public struct Kernels: @unchecked Sendable {
  // Sendable: a table of function pointers that never changes.
  let floats: declip_float_kernels
  let gemm: declip_int8_gemm
  let rows: declip_int8_rows
  let attention: declip_int8_attention
  /// The instruction set, as `DECLIP_CPU` spells it.
  public let name: String

  private init(_ table: declip_kernels) {
    floats = table.floats.pointee
    gemm = table.ints.pointee.gemm.pointee
    rows = table.ints.pointee.rows.pointee
    attention = table.ints.pointee.attention.pointee
    name = String(cString: table.name)
  }

  /// The kernels named by the environment variable `DECLIP_CPU`, or the best that this processor
  /// runs. Throws `usage` where the variable names none of `available`.
  public static func chosen() throws(DeclipError) -> Kernels {
    guard let table = declip_kernels_get() else {
      throw DeclipError(
        .usage, "DECLIP_CPU names no instruction set that this processor runs",
        expected: available.map(\.name).joined(separator: ", "))
    }
    return Kernels(table.pointee)
  }

  /// Every kernel set that this processor runs, the portable one first.
  public static var available: [Kernels] {
    var list: [Kernels] = []
    while let table = declip_kernels_available(list.count) { list.append(Kernels(table.pointee)) }
    return list
  }
}
