@testable import Importers

/// Writes ONNX messages by hand, with no care for sense.
enum GraphWriter {
  static func varint(_ number: Int, _ value: UInt64) -> [UInt8] {
    ProtobufTree.varint(UInt64(number << 3)) + ProtobufTree.varint(value)
  }

  static func field(_ number: Int, _ content: [UInt8]) -> [UInt8] {
    ProtobufTree.varint(UInt64(number << 3 | 2)) + ProtobufTree.varint(UInt64(content.count))
      + content
  }

  static func text(_ number: Int, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }

  /// A whole model around the content of a graph.
  static func model(_ graph: [UInt8], opset: UInt64 = 17) -> [UInt8] {
    varint(1, 8) + field(8, varint(2, opset)) + field(7, graph)
  }

  /// A model of one graph that reads `x`, a picture, and computes `y`.
  static func model(
    nodes: [[UInt8]], tensors: [[UInt8]] = [], picture: [UInt64] = [1, 3, 8, 8]
  ) -> [UInt8] {
    let extents = picture.flatMap { field(1, varint(1, $0)) }
    let type = field(1, varint(1, 1) + field(2, extents))
    let graph =
      nodes.flatMap { field(1, $0) } + tensors.flatMap { field(5, $0) }
      + field(11, text(1, "x") + field(2, type)) + field(12, text(1, "y"))
    return model(graph)
  }

  static func node(
    _ operation: String, _ inputs: [String], _ outputs: [String], _ attributes: [UInt8] = []
  ) -> [UInt8] {
    inputs.flatMap { text(1, $0) } + outputs.flatMap { text(2, $0) } + text(4, operation)
      + attributes
  }

  /// An attribute that is an integer, or several.
  static func attribute(_ name: String, _ values: [Int]) -> [UInt8] {
    let isList = values.count != 1
    let content = values.flatMap { varint(isList ? 8 : 3, UInt64(bitPattern: Int64($0))) }
    return field(5, text(1, name) + content + varint(20, isList ? 7 : 2))
  }

  /// A tensor of 64-bit integers.
  static func integers(_ name: String, _ values: [Int], dims: [Int]? = nil) -> [UInt8] {
    tensor(name, type: 7, dims ?? [values.count], values.flatMap { littleEndian(Int64($0)) })
  }

  /// A tensor of floats.
  static func floats(_ name: String, _ values: [Float], dims: [Int]? = nil) -> [UInt8] {
    tensor(
      name, type: 1, dims ?? [values.count], values.flatMap { littleEndian($0.bitPattern) })
  }

  static func tensor(_ name: String, type: UInt64, _ dims: [Int], _ raw: [UInt8]) -> [UInt8] {
    dims.flatMap { varint(1, UInt64(bitPattern: Int64($0))) } + varint(2, type) + text(8, name)
      + field(9, raw)
  }
}
