import Glibc
import Model

/// The value of a floating-point tensor of one element, nil for any other tensor.
func singleElement(_ tensor: Tensor) -> Float? {
  guard tensor.elementCount == 1 else { return nil }
  return tensor.bytes.withUnsafeBytes { bytes in
    switch tensor.dataType {
    case .float64:
      Float(Double(bitPattern: UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))))
    case .float32:
      Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)))
    case .float16:
      Float(Float16(bitPattern: UInt16(littleEndian: bytes.loadUnaligned(as: UInt16.self))))
    case .bfloat16:
      Float(
        bitPattern: UInt32(UInt16(littleEndian: bytes.loadUnaligned(as: UInt16.self))) << 16)
    case .int8, .uint8, .int32, .int64, .bool: nil
    }
  }
}

/// `e` to the power of `value`, rounded once from binary64.
func naturalExponential(_ value: Float) -> Float { Float(exp(Double(value))) }

/// The whole number whose square `value` is, nil where there is none.
func squareRoot(of value: Int) -> Int? {
  guard value >= 0 else { return nil }
  let root = Int(Double(value).squareRoot().rounded())
  let (square, overflow) = root.multipliedReportingOverflow(by: root)
  return !overflow && square == value ? root : nil
}
