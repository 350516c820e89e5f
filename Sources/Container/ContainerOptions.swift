import Model

/// How a `.declip` file is written.
public struct ContainerOptions: Hashable, Sendable {
  /// How tensor data is stored.
  public enum Compression: Hashable, Sendable {
    /// Planes and zstd; level 1 to 19, 3 is the sensible one.
    case zstd(level: Int)
    /// Uncompressed and 64-byte aligned, usable straight from a mapping.
    case none
  }

  /// The type that weights are stored as: float32, float16 or bfloat16; nil keeps the source's,
  /// except that float64 becomes float32.
  public var precision: DataType?
  /// The same for the text tower; nil: as `precision` says.
  public var textPrecision: DataType?
  /// How tensor data is stored.
  public var compression: Compression
  /// Threads to compress on, 1 or more; the file's bytes do not depend on it.
  public var threads: Int
  /// What the header names as the writer, such as `declip-convert 0.1.0`; 1 to 79 bytes.
  public var toolVersion: String

  /// Makes options.
  public init(
    precision: DataType? = nil, textPrecision: DataType? = nil,
    compression: Compression = .zstd(level: 3), threads: Int = 1, toolVersion: String
  ) {
    self.precision = precision
    self.textPrecision = textPrecision
    self.compression = compression
    self.threads = threads
    self.toolVersion = toolVersion
  }

  /// Throws `usage` for options that make no file.
  func validate() throws(DeclipError) {
    for case let precision? in [precision, textPrecision]
    where ![.float32, .float16, .bfloat16].contains(precision) {
      throw DeclipError(
        .usage, "weights cannot be stored as \(precision.rawValue)", expected: "f32, f16 or bf16")
    }
    if case .zstd(let level) = compression, !(1...19).contains(level) {
      throw DeclipError(.usage, "compression level \(level)", expected: "1 to 19")
    }
    guard threads >= 1 else {
      throw DeclipError(.usage, "\(threads) threads", expected: "1 or more")
    }
    guard (1..<Layout.toolVersionLength).contains(toolVersion.utf8.count),
      !toolVersion.utf8.contains(0)
    else {
      throw DeclipError(
        .usage, "a tool version of \(toolVersion.utf8.count) bytes",
        expected: "1 to \(Layout.toolVersionLength - 1) bytes without zeros")
    }
  }

  /// What pays before zstd: planes for floats, whose exponents are alike and whose fractions are not,
  /// and for weights of `bits` bits, of which zstd decodes the upper and copies the others.
  func transform(of type: DataType, _ count: Int, bits: Int?) -> TensorEntry.Transform {
    if compression == .none { return .none }
    if type.isFloat { return .bytePlanes }
    guard let bits, type == .int8, count % TensorEntry.Transform.bitPlanes8.multiple(width: 1) == 0
    else { return .none }
    return bits == 7 ? .bitPlanes7 : .bitPlanes8
  }

  /// The type that a tensor of `source` is stored as; scales stay as precise as they are.
  func storedType(of source: DataType, _ role: TensorRole) -> DataType {
    guard source.isFloat, !role.isScales else { return source }
    let wanted = role.tower == .text ? textPrecision ?? precision : precision
    return wanted ?? (source == .float64 ? .float32 : source)
  }
}

/// What was written.
public struct ContainerSummary: Hashable, Sendable {
  /// The length of the file in bytes.
  public var fileLength: UInt64
  /// The number of tensors.
  public var tensorCount: Int
  /// The bytes of all tensors in the source's types.
  public var sourceBytes: UInt64
  /// The bytes of all tensors in the types that they are stored as.
  public var decodedBytes: UInt64
  /// The bytes that the tensors take in the file.
  public var storedBytes: UInt64
}
