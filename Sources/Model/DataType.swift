/// The element type of a tensor as it is stored.
public enum DataType: String, Codable, Hashable, Sendable, CaseIterable {
  /// IEEE 754 binary64.
  case float64 = "f64"
  /// IEEE 754 binary32.
  case float32 = "f32"
  /// IEEE 754 binary16.
  case float16 = "f16"
  /// The upper half of a binary32.
  case bfloat16 = "bf16"
  /// Signed 8-bit integer.
  case int8 = "i8"
  /// Unsigned 8-bit integer.
  case uint8 = "u8"
  /// Signed 32-bit integer.
  case int32 = "i32"
  /// Signed 64-bit integer.
  case int64 = "i64"
  /// One byte, 0 or 1.
  case bool = "bool"

  /// Bytes per element.
  public var byteWidth: Int {
    switch self {
    case .float64, .int64: 8
    case .float32, .int32: 4
    case .float16, .bfloat16: 2
    case .int8, .uint8, .bool: 1
    }
  }

  /// Whether values of this type are floating point.
  public var isFloat: Bool {
    switch self {
    case .float64, .float32, .float16, .bfloat16: true
    case .int8, .uint8, .int32, .int64, .bool: false
    }
  }
}
