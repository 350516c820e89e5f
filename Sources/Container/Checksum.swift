import CKernels
import Model

/// The checksum of the format: XXH64 with seed 0.
enum Checksum {
  static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    guard let base = bytes.baseAddress else { return declip_xxh64("", 0, 0) }
    return declip_xxh64(base, bytes.count, 0)
  }

  static func of(_ bytes: ByteView) -> UInt64 {
    bytes.withUnsafeBytes { of($0) }
  }

  static func of(_ bytes: [UInt8]) -> UInt64 {
    bytes.withUnsafeBytes { of($0) }
  }
}
