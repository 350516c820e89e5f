import Model

/// What the index of a file says about one tensor.
public struct TensorEntry: Hashable, Sendable {
  /// The canonical name, `TensorRole.description`.
  public let name: String
  /// What the architecture uses the tensor for; nil for one that it does not know.
  public internal(set) var role: TensorRole?
  /// The element type that is stored.
  public let dataType: DataType
  /// The extents, outermost first.
  public let shape: [Int]
  /// What was done to the elements before compression.
  public let transform: Transform
  /// How the frames are stored.
  public let compression: Compression
  /// Whether the architecture does not need the tensor.
  public let isExtra: Bool
  /// The tensor's bytes, in order.
  public let frames: [Frame]

  /// The bytes that the frames take in the file.
  public var storedBytes: UInt64 { frames.reduce(0) { $0 + UInt64($1.storedLength) } }
  /// The bytes of the tensor: elements times bytes per element.
  public var decodedBytes: UInt64 { frames.reduce(0) { $0 + UInt64($1.decodedLength) } }
  /// The number of elements.
  public var elementCount: Int { Int(decodedBytes) / dataType.byteWidth }

  /// The weight that is stored in int8 here; nil for other tensors.
  var quantizedRole: TensorRole? { dataType == .int8 ? role : nil }

  /// How messages name the tensor.
  var place: String { "tensor '\(name)'" }

  /// A part of a tensor that is stored, checked and decoded on its own.
  public struct Frame: Hashable, Sendable {
    /// Where it starts, in bytes from the start of the file; a multiple of 64.
    public let offset: UInt64
    /// The bytes that it takes in the file.
    public let storedLength: Int
    /// The bytes that it decodes to, at most 4 MiB.
    public let decodedLength: Int
    /// The XXH64 of the stored bytes.
    public let checksum: UInt64

    /// The byte after the frame; the index's check made sure that it exists.
    var end: UInt64 { offset &+ UInt64(storedLength) }
  }

  /// What happens to a frame's elements before compression; raw values are those of the file.
  public enum Transform: UInt8, Sendable {
    /// Nothing.
    case none = 0
    /// The first bytes of all elements, then all second bytes, and so on.
    case bytePlanes = 1
    /// The upper two bits of all signed bytes, then the next two, then the lower four.
    case bitPlanes8 = 2
    /// The same of integers of 7 bits: two, one and four.
    case bitPlanes7 = 3

    /// The bits of the integers that bit planes hold; nil for everything else.
    var planeBits: Int? {
      switch self {
      case .none, .bytePlanes: nil
      case .bitPlanes8: 8
      case .bitPlanes7: 7
      }
    }

    /// The bytes that `decodedLength` bytes of a tensor become, `decodedLength` being a multiple of
    /// `multiple`.
    func contentLength(of decodedLength: Int) -> Int {
      planeBits.map { decodedLength / 8 * $0 } ?? decodedLength
    }

    /// What frames of elements of `width` bytes must be a multiple of.
    func multiple(width: Int) -> Int { planeBits == nil ? width : 8 }

    /// Whether elements of a type can be stored so.
    func suits(_ type: DataType) -> Bool {
      switch self {
      case .none: true
      case .bytePlanes: type.byteWidth > 1
      case .bitPlanes8, .bitPlanes7: type == .int8
      }
    }
  }

  /// How a frame is stored; raw values are those of the file.
  public enum Compression: UInt8, Sendable {
    /// As it is, usable straight from the mapping.
    case none = 0
    /// As one zstd frame.
    case zstd = 1
  }
}

extension DataType {
  /// The types by their number in the file.
  private static let byCode: [DataType] = [
    .float32, .float16, .bfloat16, .float64, .int8, .uint8, .int32, .int64, .bool,
  ]

  /// The number that stands for the type in the file.
  var code: UInt8 { UInt8(DataType.byCode.firstIndex(of: self) ?? 0) }

  /// The type of a number in the file; nil for an unknown one.
  init?(code: UInt8) {
    guard DataType.byCode.indices.contains(Int(code)) else { return nil }
    self = DataType.byCode[Int(code)]
  }
}
