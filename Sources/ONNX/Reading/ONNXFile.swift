import CONNX
import CProtobufC
import Files
import Model

/// Reads ONNX files.
///
/// Messages are decoded by libprotobuf-c; the payload of tensors never passes through it, but is
/// viewed in the memory-mapped file, so that reading takes little more memory than the file.
public enum ONNXFile {
  /// The oldest and newest default operator sets that are understood.
  public static let opsets = 11...23

  /// Reads the model at `path` and opens its external data.
  ///
  /// With `allowsLinks` external data may be links that lead out of the model's folder. Throws
  /// `missingInput` where a file cannot be opened, `badData` for everything that is wrong with the
  /// content.
  public static func read(
    path: String, allowsLinks: Bool = false
  ) throws(DeclipError) -> ONNXModel {
    let file = try MappedFile(path: path)
    do {
      return try read(file.bytes, path: path, allowsLinks: allowsLinks)
    } catch {
      throw error.inFile(path)
    }
  }

  /// Reads a model from memory; `path` is where external data is looked for.
  public static func read(
    _ file: ByteView, path: String, opsets: ClosedRange<Int> = opsets, allowsLinks: Bool = false
  ) throws(DeclipError) -> ONNXModel {
    let budget = MemoryBudget(fileSize: file.count)
    var reader = Reader(
      external: ExternalData(beside: path, budget: budget, allowsLinks: allowsLinks),
      budget: budget, opsets: opsets)
    return try reader.model(file, name: String(path.split(separator: "/").last ?? "model.onnx"))
  }

  /// Reads one serialised `TensorProto`.
  public static func tensor(_ message: ByteView) throws(DeclipError) -> StoredTensor {
    let budget = MemoryBudget(fileSize: message.count)
    var reader = Reader(
      external: ExternalData(beside: "", budget: budget, allowsLinks: false), budget: budget,
      opsets: opsets)
    return try reader.tensor(message, place: "tensor")
  }
}

/// The state of reading one model.
///
/// What a message costs when it is decoded, and kept, is taken from the budget before: a field of
/// two bytes may become a structure of more than a hundred.
private struct Reader {
  var external: ExternalData
  let budget: MemoryBudget
  let opsets: ClosedRange<Int>

  /// Costs in bytes: of a thing, of one of its fields, and of each byte of it.
  private enum Cost {
    static let node = 1024
    static let input = 192
    /// An output has a place in every table that recognition makes.
    static let output = 1024
    static let attribute = 1024
    static let attributeByte = 24
    static let note = 512
    /// A byte that becomes text, at worst a replacement character of three.
    static let textByte = 4
    static let tensor = 1024
    static let description = 512
    /// A byte of a message that is decoded as a whole.
    static let messageByte = 48
  }

  // Field numbers, as in formats/onnx.proto; those of payloads are written out there as left out.
  private enum Number {
    static let modelGraph = 7
    static let graphNode = 1
    static let graphInitializer = 5
    static let graphSparseInitializer = 15
    static let graphInput = 11
    static let graphOutput = 12
    static let nodeInput = 1
    static let nodeOutput = 2
    static let nodeAttribute = 5
    static let attributeTensor = 5
    static let attributeGraph = 6
    static let tensorRaw = 9
  }

  mutating func model(_ file: ByteView, name: String) throws(DeclipError) -> ONNXModel {
    var rest = ProtobufBytes()
    var graph: ByteView?
    var fields = ProtobufFields(file, place: "model")
    while let field = try fields.next() {
      switch field.number {
      case Number.modelGraph: graph = field.content
      // Local functions and training come after these; both may be large and neither is read.
      case 1, 2, 3, 8: rest.append(field)
      case 25:
        throw DeclipError(
          .badData, "defines functions of its own", place: "model",
          expected: "the operators of the standard",
          remedy: "export again with functions inlined (onnx.inliner.inline_local_functions)")
      default: break
      }
    }
    guard let graph else {
      throw DeclipError(.badData, "holds no graph", expected: "an ONNX model")
    }
    try budget.take(rest.bytes.count, bytes: Cost.messageByte, place: "model")
    let (irVersion, producer, opset) = try decode(
      rest.bytes, Onnx__ModelProto.self, onnx__model_proto__unpack,
      onnx__model_proto__free_unpacked,
      place: "model"
    ) { message in
      let opsets = pointers(message.opset_import, message.n_opset_import)
        .filter { ["", "ai.onnx"].contains(string($0.pointee.domain)) }
      let producer = [message.producer_name, message.producer_version].map { string($0) }
      return (
        Int(message.ir_version), producer.filter { !$0.isEmpty }.joined(separator: " "),
        opsets.map { Int($0.pointee.version) }.max() ?? 0
      )
    }
    guard opsets.contains(opset) else {
      throw DeclipError(
        .badData, "uses operator set \(opset)",
        expected: "\(opsets.lowerBound) to \(opsets.upperBound)",
        remedy: "export again with opset_version=18, or use onnx.version_converter")
    }
    let content = try self.graph(graph)
    return ONNXModel(
      irVersion: irVersion, producer: producer, opset: opset, graph: content,
      files: [(name, file)] + external.files, budget: budget)
  }

  private mutating func graph(_ message: ByteView) throws(DeclipError) -> Graph {
    var nodes: [Node] = []
    var initializers: [String: StoredTensor] = [:]
    var inputs: [ValueDescription] = []
    var outputs: [ValueDescription] = []
    var computed: Set<String> = []
    var fields = ProtobufFields(message, place: "graph")
    while let field = try fields.next() {
      guard let content = field.content else { continue }
      switch field.number {
      case Number.graphNode:
        let node = try node(content, index: nodes.count)
        for output in node.outputs where !output.isEmpty && !computed.insert(output).inserted {
          throw DeclipError(
            .badData, "two nodes compute the value \(output.debugDescription)", place: node.place)
        }
        nodes.append(node)
      case Number.graphInitializer:
        let tensor = try tensor(content, place: "initializer \(initializers.count)")
        guard initializers.updateValue(tensor, forKey: tensor.name) == nil else {
          throw DeclipError(.badData, "there are two initializers of this name", place: tensor.name)
        }
      case Number.graphSparseInitializer:
        throw DeclipError(
          .badData, "holds a sparse initializer", place: "graph", expected: "dense tensors")
      case Number.graphInput: inputs.append(try description(content, "input \(inputs.count)"))
      case Number.graphOutput: outputs.append(try description(content, "output \(outputs.count)"))
      default: break
      }
    }
    if let name = initializers.keys.first(where: computed.contains) {
      throw DeclipError(
        .badData, "is computed by a node and stored too", place: "value \(name.debugDescription)")
    }
    return Graph(
      nodes: try NodeOrder.sorted(nodes), initializers: initializers,
      inputs: inputs.filter { initializers[$0.name] == nil }, outputs: outputs)
  }

  private mutating func node(_ message: ByteView, index: Int) throws(DeclipError) -> Node {
    let place = "node \(index)"
    var rest = ProtobufBytes()
    // What the attributes hold beside plain values, in the order of the attributes.
    var payloads: [ByteView?] = []
    var fields = ProtobufFields(message, place: place)
    try budget.take(Cost.node, place: place)
    while let field = try fields.next() {
      let cost =
        switch field.number {
        case Number.nodeInput: Cost.input
        case Number.nodeOutput: Cost.output
        case Number.nodeAttribute: Cost.attribute
        default: Cost.note
        }
      try budget.take(cost, place: place)
      guard field.number == Number.nodeAttribute, let attribute = field.content else {
        try budget.take(field.encoded.count, bytes: Cost.textByte, place: place)
        rest.append(field)
        continue
      }
      var plain = ProtobufBytes()
      var payload: ByteView?
      var parts = ProtobufFields(attribute, place: place)
      while let part = try parts.next() {
        switch part.number {
        case Number.attributeTensor: payload = part.content
        case Number.attributeGraph: break
        default:
          try budget.take(part.encoded.count, bytes: Cost.attributeByte, place: place)
          plain.append(part)
        }
      }
      payloads.append(payload)
      rest.append(number: Number.nodeAttribute, content: plain.bytes)
    }
    let tensors = try payloads.map { payload throws(DeclipError) in
      try payload.map { payload throws(DeclipError) in try tensor(payload, place: place) }
    }
    return try decode(
      rest.bytes, Onnx__NodeProto.self, onnx__node_proto__unpack, onnx__node_proto__free_unpacked,
      place: place
    ) { message in
      var attributes: [String: Attribute] = [:]
      for (place, pointer) in pointers(message.attribute, message.n_attribute).enumerated() {
        let attribute = pointer.pointee
        attributes[string(attribute.name)] = value(attribute, tensors[place])
      }
      let name = string(message.name)
      let domain = string(message.domain)
      return Node(
        name: name.isEmpty ? "#\(index)" : name, operation: string(message.op_type),
        domain: domain == "ai.onnx" ? "" : domain,
        inputs: strings(message.input, message.n_input),
        outputs: strings(message.output, message.n_output), attributes: attributes,
        metadata: dictionary(message.metadata_props, message.n_metadata_props))
    }
  }

  private func value(_ attribute: Onnx__AttributeProto, _ tensor: StoredTensor?) -> Attribute {
    // AttributeProto.AttributeType.
    switch attribute.type {
    case 1: return .float(attribute.f)
    case 2: return .integer(attribute.i)
    case 3:
      let bytes = UnsafeBufferPointer(start: attribute.s.data, count: attribute.s.len)
      return .string(String(decoding: bytes, as: UTF8.self))
    case 4: return tensor.map { .tensor($0) } ?? .other
    case 6: return .floats(array(attribute.floats, attribute.n_floats))
    case 7: return .integers(array(attribute.ints, attribute.n_ints))
    default: return .other
    }
  }

  private func description(
    _ message: ByteView, _ place: String
  ) throws(DeclipError) -> ValueDescription {
    try budget.take(Cost.description, place: place)
    try budget.take(message.count, bytes: Cost.messageByte, place: place)
    return try decode(
      message.withUnsafeBytes { Array($0) }, Onnx__ValueInfoProto.self,
      onnx__value_info_proto__unpack, onnx__value_info_proto__free_unpacked, place: place
    ) { message in
      guard let type = message.type?.pointee.tensor_type?.pointee else {
        return ValueDescription(name: string(message.name), elementType: nil, shape: nil)
      }
      let shape = type.shape.map { shape in
        pointers(shape.pointee.dim, shape.pointee.n_dim).map { dimension -> Int? in
          let value = dimension.pointee.dim_value
          return dimension.pointee.has_dim_value != 0 && value > 0 ? Int(value) : nil
        }
      }
      return ValueDescription(
        name: string(message.name), elementType: ElementType(rawValue: type.elem_type),
        shape: shape)
    }
  }

  mutating func tensor(_ message: ByteView, place: String) throws(DeclipError) -> StoredTensor {
    var rest = ProtobufBytes()
    var raw: ByteView?
    var typed = TypedElements(message, place: place)
    var fields = ProtobufFields(message, place: place)
    try budget.take(Cost.tensor, place: place)
    while let field = try fields.next() {
      if field.number == Number.tensorRaw {
        raw = field.content
      } else if TypedElements.numbers.contains(field.number) {
        try typed.count(field)
      } else {
        try budget.take(field.encoded.count, bytes: Cost.messageByte, place: place)
        rest.append(field)
      }
    }
    let (name, type, shape, externalEntries) = try decode(
      rest.bytes, Onnx__TensorProto.self, onnx__tensor_proto__unpack,
      onnx__tensor_proto__free_unpacked, place: place
    ) { message in
      (
        string(message.name), message.data_type, array(message.dims, message.n_dims),
        message.data_location == 1
          ? dictionary(message.external_data, message.n_external_data) : nil
      )
    }
    let title = name.isEmpty ? place : "tensor '\(name)'"
    guard let elementType = ElementType(rawValue: type) else {
      throw DeclipError(
        .badData, "has the element type number \(type)", place: title,
        expected: "a float, integer or bool type of 8 to 64 bits")
    }
    let (extents, needed) = try size(shape, elementType, title)
    let bytes: ByteView
    if let externalEntries {
      bytes = try externalBytes(externalEntries, needed: UInt64(needed), title)
    } else if typed.isEmpty {
      bytes = raw ?? ByteView([])
    } else {
      bytes = try typed.bytes(elementType, needed: needed, title, budget: budget)
    }
    guard bytes.count == needed else {
      throw DeclipError(
        .badData, "holds \(bytes.count) bytes for \(elementType) \(extents)", place: title,
        expected: "\(needed) bytes")
    }
    return StoredTensor(name: name, elementType: elementType, shape: extents, bytes: bytes)
  }

  /// Extents and bytes; a tensor without elements may have large extents beside the 0, but not so
  /// large that anything computed of them overflows.
  private func size(
    _ shape: [Int64], _ type: ElementType, _ place: String
  ) throws(DeclipError) -> ([Int], Int) {
    guard shape.count <= largestRank else {
      throw DeclipError(
        .badData, "has \(shape.count) extents", place: place, expected: "at most \(largestRank)")
    }
    let isEmpty = shape.contains(0)
    guard let count = elementCount(shape.map { max(1, Int($0)) }, upTo: isEmpty ? 1 << 24 : .max),
      shape.allSatisfy({ $0 >= 0 }),
      case let (bytes, false) = count.multipliedReportingOverflow(by: type.byteWidth)
    else {
      throw DeclipError(
        .badData, "has the extents \(shape)", place: place,
        expected: "extents whose product fits 64 bits")
    }
    return (shape.map { Int($0) }, isEmpty ? 0 : bytes)
  }

  private mutating func externalBytes(
    _ entries: [String: String], needed: UInt64, _ place: String
  ) throws(DeclipError) -> ByteView {
    func number(_ key: String) throws(DeclipError) -> UInt64? {
      guard let text = entries[key] else { return nil }
      guard let value = UInt64(text) else {
        throw DeclipError(
          .badData, "its external \(key) is \(text.debugDescription)", place: place,
          expected: "a number")
      }
      return value
    }
    return try external.bytes(
      location: entries["location"] ?? "", offset: try number("offset") ?? 0,
      length: try number("length"), needed: needed, place: place)
  }
}

// MARK: - libprotobuf-c

/// Unpacks a message, hands it to `body`, and frees it.
private func decode<Message, Result>(
  _ bytes: [UInt8], _ type: Message.Type,
  _ unpack: (UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?)
    -> UnsafeMutablePointer<Message>?,
  _ free: (UnsafeMutablePointer<Message>?, UnsafeMutablePointer<ProtobufCAllocator>?) -> Void,
  place: String, _ body: (Message) -> Result
) throws(DeclipError) -> Result {
  let message = bytes.withUnsafeBufferPointer { unpack(nil, $0.count, $0.baseAddress) }
  guard let message else {
    throw DeclipError(
      .badData, "cannot be decoded", place: place, expected: "an ONNX message",
      remedy: "the file is damaged or not an ONNX model; copy or export it again")
  }
  defer { free(message, nil) }
  return body(message.pointee)
}

private func string(_ pointer: UnsafeMutablePointer<CChar>?) -> String {
  pointer.map { String(cString: $0) } ?? ""
}

private func pointers<Element>(
  _ start: UnsafeMutablePointer<UnsafeMutablePointer<Element>?>?, _ count: Int
) -> [UnsafeMutablePointer<Element>] {
  UnsafeBufferPointer(start: start, count: count).compactMap { $0 }
}

private func strings(
  _ start: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int
) -> [String] {
  UnsafeBufferPointer(start: start, count: count).map { string($0) }
}

private func array<Element>(_ start: UnsafeMutablePointer<Element>?, _ count: Int) -> [Element] {
  Array(UnsafeBufferPointer(start: start, count: count))
}

private func dictionary(
  _ start: UnsafeMutablePointer<UnsafeMutablePointer<Onnx__StringStringEntryProto>?>?, _ count: Int
) -> [String: String] {
  var entries: [String: String] = [:]
  for entry in pointers(start, count) {
    entries[string(entry.pointee.key)] = string(entry.pointee.value)
  }
  return entries
}
