import Model

/// The element types of PyTorch, as it spells them.
///
/// Types that this project does not compute with are listed so that a file that holds such a
/// tensor beside the weights can still be read.
enum TorchElement: String, CaseIterable {
  case float64, float32, float16, bfloat16
  case int64, int32, int16, int8, uint8, bool
  case uint64, uint32, uint16
  case float8E4M3 = "float8_e4m3fn"
  case float8E5M2 = "float8_e5m2"
  case complex64, complex128

  /// Bytes per element.
  var byteWidth: Int {
    switch self {
    case .complex128: 16
    case .float64, .int64, .uint64, .complex64: 8
    case .float32, .int32, .uint32: 4
    case .float16, .bfloat16, .int16, .uint16: 2
    case .float8E4M3, .float8E5M2, .int8, .uint8, .bool: 1
    }
  }

  /// The corresponding type of this project, nil where there is none.
  var dataType: DataType? {
    switch self {
    case .float64: .float64
    case .float32: .float32
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .int64: .int64
    case .int32: .int32
    case .int8: .int8
    case .uint8: .uint8
    case .bool: .bool
    case .int16, .uint64, .uint32, .uint16, .float8E4M3, .float8E5M2, .complex64, .complex128: nil
    }
  }

  /// The element type of a storage class such as `FloatStorage`, nil for an unknown one.
  init?(storageClass: String) {
    let element: TorchElement? =
      switch storageClass {
      case "DoubleStorage": .float64
      case "FloatStorage": .float32
      case "HalfStorage": .float16
      case "BFloat16Storage": .bfloat16
      case "LongStorage": .int64
      case "IntStorage": .int32
      case "ShortStorage": .int16
      case "CharStorage": .int8
      case "ByteStorage": .uint8
      case "BoolStorage": .bool
      case "ComplexFloatStorage": .complex64
      case "ComplexDoubleStorage": .complex128
      default: nil
      }
    guard let element else { return nil }
    self = element
  }
}
