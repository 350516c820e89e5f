import Files
import Model

/// One tensor of a foreign file, under its foreign name.
public struct SourceTensor: Sendable {
  /// The name that the file gives it.
  public let name: String
  /// The element type as the file spells it, such as `BF16`.
  public let elementType: String
  /// The element type; nil where this project has none that corresponds.
  public let dataType: DataType?
  /// The extents, outermost first.
  public let shape: [Int]
  /// The elements, row-major, little-endian.
  public let bytes: ByteView

  /// Makes a tensor from its parts; `bytes` holds exactly what type and shape require.
  public init(
    name: String, elementType: String, dataType: DataType?, shape: [Int], bytes: ByteView
  ) {
    self.name = name
    self.elementType = elementType
    self.dataType = dataType
    self.shape = shape
    self.bytes = bytes
  }

  /// What a tensor costs beside its elements: itself, its shape, and its place in the tables that
  /// are made of a checkpoint's tensors.
  static let cost = 1024

  /// The tensor as a value; nil for an element type that this project does not have.
  public var tensor: Tensor? {
    dataType.flatMap { Tensor(dataType: $0, shape: shape, bytes: bytes) }
  }
}

/// What every foreign checkpoint is before its family is recognised: named tensors, free-form
/// metadata, and the files they came from.
public struct CheckpointSource: Sendable {
  /// A file that was read.
  public struct File: Sendable {
    /// The file's name without its folder.
    public let name: String
    /// The file's content.
    public let bytes: ByteView
  }

  /// The path of the file that was opened.
  public let path: String
  /// The format, such as `safetensors`.
  public let format: String
  /// Every file that tensors came from.
  public let files: [File]
  /// The tensors in the order of the file, names distinct byte by byte.
  public let tensors: [SourceTensor]
  /// Free-form entries that the file carries.
  public let metadata: [String: String]
  /// What reading the checkpoint may still take.
  let budget: MemoryBudget
}
