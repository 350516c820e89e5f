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

  /// The multiply-accumulates a second that instructions reach with operands in registers: what
  /// nothing made of them can pass.
  public struct Peaks: Sendable {
    /// Those of int8 products.
    public let products: Double
    /// Those of int8 products whose operands have 7 bits, attention's among them.
    public let narrowProducts: Double
    /// Those that attention multiplies wider scores and values with.
    public let attention: Double
  }

  /// The peaks of `pool`'s threads together.
  public func int8Peaks(_ pool: WorkerPool) -> Peaks {
    let products = peak(pool) { [gemm] in gemm.probe_peak(DECLIP_INT8_U8S8, $0) }
    let narrowProducts = peak(pool) { [gemm] in gemm.probe_peak(DECLIP_INT8_U7S7, $0) }
    let attention = attention.probe_peak.map { peak(pool, $0) }
    return Peaks(
      products: products, narrowProducts: narrowProducts, attention: attention ?? products)
  }

  private func peak(_ pool: WorkerPool, _ probe: @escaping (UInt64) -> UInt64) -> Double {
    var best = 0.0
    let iterations: UInt64 = 2_000_000
    for _ in 0..<5 {
      var counts = [UInt64](repeating: 0, count: pool.threads)
      let start = clock_gettime_nsec()
      counts.withUnsafeMutableBufferPointer { counts in
        nonisolated(unsafe) let counts = counts
        pool.run(jobs: pool.threads) { counts[$0] = probe(iterations) }
      }
      let seconds = Double(clock_gettime_nsec() - start) / 1e9
      best = max(best, Double(counts.reduce(0, +)) / seconds)
    }
    return best
  }

  /// Every kernel set that this processor runs, the portable one first.
  public static var available: [Kernels] {
    var list: [Kernels] = []
    while let table = declip_kernels_available(list.count) { list.append(Kernels(table.pointee)) }
    return list
  }
}
