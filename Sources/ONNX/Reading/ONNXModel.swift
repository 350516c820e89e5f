import Files
import Model

/// An ONNX model as far as this project reads it: one graph without control flow.
public struct ONNXModel: Sendable {
  /// The version of the intermediate representation.
  public let irVersion: Int
  /// The exporter and its version, as the file names them.
  public let producer: String
  /// The version of the default operator set.
  public let opset: Int
  /// The graph.
  public let graph: Graph
  /// Every file that weights come from: the model itself and its external data.
  public let files: [(name: String, bytes: ByteView)]
  /// What reading the files, running the graph and copying weights may still take.
  public var budget = MemoryBudget(fileSize: 0)
}

/// A graph of nodes in topological order, joined by the names of values.
public struct Graph: Sendable {
  /// The nodes.
  public let nodes: [Node]
  /// Stored tensors by name.
  public let initializers: [String: StoredTensor]
  /// What has to be given, initializers left out.
  public let inputs: [ValueDescription]
  /// What is computed.
  public let outputs: [ValueDescription]
}

/// One operation.
public struct Node: Sendable {
  /// The node's name; `#N` with its index where the file gives none.
  public let name: String
  /// The operator, such as `MatMul`.
  public let operation: String
  /// The operator set other than the default one; empty for the default.
  public let domain: String
  /// Names of inputs; an empty name is an optional input left out.
  public let inputs: [String]
  /// Names of outputs; an empty name is an optional output left out.
  public let outputs: [String]
  /// Attributes by name.
  public let attributes: [String: Attribute]
  /// What the exporter notes beside the node, such as the module it came from.
  public let metadata: [String: String]
}

/// The value of an attribute.
public enum Attribute: Sendable {
  /// A number.
  case float(Float)
  /// An integer.
  case integer(Int64)
  /// A text.
  case string(String)
  /// A tensor.
  case tensor(StoredTensor)
  /// Numbers.
  case floats([Float])
  /// Integers.
  case integers([Int64])
  /// A kind that nothing here uses, such as a graph.
  case other
}

/// A graph's input or output.
public struct ValueDescription: Sendable {
  /// The value's name.
  public let name: String
  /// The element type; nil where the file does not tell.
  public let elementType: ElementType?
  /// The extents, nil for those that are free; nil as a whole where the rank is not told.
  public let shape: [Int?]?
}

/// An element type, by its number in `TensorProto.DataType`.
public enum ElementType: Int32, Hashable, Sendable, CaseIterable {
  /// IEEE 754 binary32.
  case float32 = 1
  /// Unsigned 8-bit integer.
  case uint8 = 2
  /// Signed 8-bit integer.
  case int8 = 3
  /// Unsigned 16-bit integer.
  case uint16 = 4
  /// Signed 16-bit integer.
  case int16 = 5
  /// Signed 32-bit integer.
  case int32 = 6
  /// Signed 64-bit integer.
  case int64 = 7
  /// One byte, 0 or 1.
  case bool = 9
  /// IEEE 754 binary16.
  case float16 = 10
  /// IEEE 754 binary64.
  case float64 = 11
  /// Unsigned 32-bit integer.
  case uint32 = 12
  /// Unsigned 64-bit integer.
  case uint64 = 13
  /// The upper half of a binary32.
  case bfloat16 = 16

  /// Bytes per element.
  public var byteWidth: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .float32, .int32, .uint32: 4
    case .int64, .float64, .uint64: 8
    }
  }

  /// Whether elements are floating point.
  public var isFloat: Bool {
    switch self {
    case .float32, .float64, .float16, .bfloat16: true
    default: false
    }
  }

  /// The project's own element type; nil where it has none that corresponds.
  public var dataType: DataType? {
    switch self {
    case .float32: .float32
    case .float64: .float64
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .int8: .int8
    case .uint8: .uint8
    case .int32: .int32
    case .int64: .int64
    case .bool: .bool
    case .uint16, .int16, .uint32, .uint64: nil
    }
  }
}

/// A tensor as a file stores it.
public struct StoredTensor: Sendable {
  /// The tensor's name; empty for an attribute's.
  public let name: String
  /// The element type.
  public let elementType: ElementType
  /// The extents, outermost first; empty for a scalar.
  public let shape: [Int]
  /// The elements, row-major, little-endian; exactly as many bytes as type and shape require.
  public let bytes: ByteView

  /// Makes a tensor from its parts; `bytes` holds exactly what type and shape require.
  public init(name: String, elementType: ElementType, shape: [Int], bytes: ByteView) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.bytes = bytes
  }

  /// The tensor as a value of this project; nil for an element type that it does not have.
  public var tensor: Tensor? {
    elementType.dataType.flatMap { Tensor(dataType: $0, shape: shape, bytes: bytes) }
  }
}
