import CKernels
import Model

/// A tensor that the interpreter computes with: every float type as binary32, every integer type
/// and booleans as 64-bit integers, under the element type that the graph declares.
public struct Value: Sendable {
  /// The elements, row-major.
  public enum Elements: Sendable {
    /// Of a float type.
    case floats([Float])
    /// Of an integer type, or 0 and 1.
    case integers([Int64])
  }

  /// The element type in the graph.
  public var elementType: ElementType
  /// The extents, outermost first; empty for a scalar.
  public var shape: [Int]
  /// The elements, row-major.
  public var elements: Elements

  /// A tensor of floats; the number of elements must be the product of the extents.
  public init(_ values: [Float], shape: [Int], type: ElementType = .float32) {
    elementType = type
    self.shape = shape
    elements = .floats(values)
  }

  /// A tensor of integers; the number of elements must be the product of the extents.
  public init(_ values: [Int64], shape: [Int], type: ElementType = .int64) {
    elementType = type
    self.shape = shape
    elements = .integers(values)
  }

  /// The elements of a stored tensor, widened.
  public init(_ stored: StoredTensor) {
    let count = stored.bytes.count / stored.elementType.byteWidth
    elementType = stored.elementType
    shape = stored.shape
    elements = stored.bytes.withUnsafeBytes { bytes in
      func floats(
        _ convert: (UnsafeRawPointer, UnsafeMutablePointer<Float>, Int) -> Void
      ) -> Elements {
        guard let source = bytes.baseAddress else { return .floats([]) }
        let width = stored.elementType.byteWidth
        return .floats(
          [Float](unsafeUninitializedCapacity: count) { target, initialized in
            // Piece by piece, so that a large tensor is not in memory twice.
            while initialized < count, let start = target.baseAddress {
              let piece = min(count - initialized, 1 << 22)
              convert(source + initialized * width, start + initialized, piece)
              stored.bytes.slice(
                offset: UInt64(initialized * width), length: UInt64(piece * width))?.releasePages()
              initialized += piece
            }
          })
      }
      func integers<Integer: FixedWidthInteger>(_ type: Integer.Type) -> Elements {
        .integers(
          (0..<count).map {
            Int64(
              truncatingIfNeeded: Integer(
                littleEndian: bytes.loadUnaligned(
                  fromByteOffset: $0 * MemoryLayout<Integer>.size, as: Integer.self)))
          })
      }
      switch stored.elementType {
      case .float32: return floats { $1.initialize(from: $0, count: $2) }
      case .float64: return floats(declip_f64_to_f32)
      case .float16: return floats(declip_f16_to_f32)
      case .bfloat16: return floats(declip_bf16_to_f32)
      case .int8: return integers(Int8.self)
      case .uint8, .bool: return integers(UInt8.self)
      case .int16: return integers(Int16.self)
      case .uint16: return integers(UInt16.self)
      case .int32: return integers(Int32.self)
      case .uint32: return integers(UInt32.self)
      case .int64: return integers(Int64.self)
      case .uint64: return integers(UInt64.self)
      }
    }
  }

  /// The number of elements.
  public var count: Int {
    switch elements {
    case .floats(let values): values.count
    case .integers(let values): values.count
    }
  }

  /// The bytes that one element takes in memory.
  var width: Int {
    switch elements {
    case .floats: 4
    case .integers: 8
    }
  }

  /// The bytes that the elements take in memory.
  var byteCount: Int { count * width }

  /// The elements as floats; nil for an integer type.
  public var floats: [Float]? {
    if case .floats(let values) = elements { values } else { nil }
  }

  /// The elements as integers; nil for a float type.
  public var integers: [Int64]? {
    if case .integers(let values) = elements { values } else { nil }
  }

  /// The same elements under other extents of the same product.
  func reshaped(_ shape: [Int]) -> Value {
    var copy = self
    copy.shape = shape
    return copy
  }
}

/// The distance between neighbours along every axis of a row-major tensor.
func strides(of shape: [Int]) -> [Int] {
  var strides = [Int](repeating: 1, count: shape.count)
  for axis in stride(from: shape.count - 2, through: 0, by: -1) {
    strides[axis] = strides[axis + 1] * shape[axis + 1]
  }
  return strides
}

extension UnsafeMutablePointer<Float> {
  fileprivate func initialize(from source: UnsafeRawPointer, count: Int) {
    UnsafeMutableRawPointer(self).copyMemory(from: source, byteCount: 4 * count)
  }
}
