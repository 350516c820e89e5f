@testable import Importers

/// Graphs that are made to exhaust memory, time or the stack, or to read outside of tensors.
extension Corpus {
  /// Messages of very many tiny fields.
  static func messageBombs() -> [Entry] {
    func many(_ name: String, _ make: @escaping (Int) -> [UInt8]) -> [Entry] {
      [20_000, 2_000_000].map { count in Entry("bomb onnx \(name) \(count)") { make(count) } }
    }
    func pieces(_ piece: [UInt8], _ count: Int) -> [UInt8] {
      Array(repeatElement(piece, count: count).joined())
    }
    let empty: (UInt8) -> [UInt8] = { [$0 << 3 | 2, 0] }
    return many("nodes") { GraphWriter.model(pieces(empty(1), $0)) }
      + many("inputs of a node") { GraphWriter.model(GraphWriter.field(1, pieces(empty(1), $0))) }
      + many("outputs of a node") { count in
        GraphWriter.model(GraphWriter.field(1, pieces(empty(2), count)))
      }
      + many("attributes") { GraphWriter.model(GraphWriter.field(1, pieces(empty(5), $0))) }
      + many("notes") { GraphWriter.model(GraphWriter.field(1, pieces(empty(9), $0))) }
      + many("integers of an attribute") { count in
        GraphWriter.model(
          GraphWriter.field(1, GraphWriter.field(5, GraphWriter.field(8, pieces([1], count)))))
      }
      + many("extents") { count in
        GraphWriter.model(
          GraphWriter.field(5, GraphWriter.field(1, pieces([1], count)) + GraphWriter.varint(2, 1)))
      }
      + many("external entries") { GraphWriter.model(GraphWriter.field(5, pieces([0x6A, 0], $0))) }
      + many("extents of an input") { count in
        GraphWriter.model(
          GraphWriter.field(
            11,
            GraphWriter.field(
              2, GraphWriter.field(1, GraphWriter.field(2, pieces(empty(1), count))))))
      }
      + many("inputs") { GraphWriter.model(pieces(empty(11), $0)) }
      + many("initializers") { count in
        GraphWriter.model(
          (0..<count / 8).flatMap { number in
            GraphWriter.field(5, GraphWriter.tensor("\(number)", type: 3, [], [0]))
          })
      }
      + many("operator sets") { GraphWriter.varint(1, 8) + pieces(empty(8), $0) }
      + many("integers of one byte") { count in
        // 8 bytes each in memory.
        GraphWriter.model(
          GraphWriter.field(
            5,
            GraphWriter.varint(1, UInt64(8 * count)) + GraphWriter.varint(2, 7)
              + GraphWriter.field(7, pieces([1], 8 * count))))
      }
      + many("floats one by one") { count in
        GraphWriter.model(
          GraphWriter.field(
            5,
            GraphWriter.varint(1, UInt64(count)) + GraphWriter.varint(2, 1)
              + pieces([4 << 3 | 5, 0, 0, 0, 0], count)))
      }
  }

  /// Graphs of few nodes.
  static func graphBombs() -> [Entry] {
    typealias W = GraphWriter
    func graph(
      _ name: String, _ nodes: [[UInt8]], _ tensors: [[UInt8]] = [],
      picture: [UInt64] = [1, 3, 8, 8]
    ) -> Entry {
      Entry("bomb graph \(name)") { W.model(nodes: nodes, tensors: tensors, picture: picture) }
    }
    func sized(_ name: String, _ operation: String, _ sizes: [Int], _ rest: [UInt8] = []) -> Entry {
      graph(
        "\(name) \(sizes)", [W.node(operation, ["x", "s"], ["y"], rest)],
        [W.integers("s", sizes)])
    }
    let million = W.node("ConstantOfShape", ["million"], ["v0"])
    let sizes = [W.integers("million", [1 << 20]), W.integers("side", [1500, 1500])]
    var entries = [
      sized("tile", "Tile", [1 << 20, 1 << 20, 1, 1]), sized("tile", "Tile", [1, 1, 1 << 16, 1]),
      sized("expand", "Expand", [1 << 31, 3, 8, 8]), sized("expand", "Expand", [1 << 12, 3, 8, 8]),
      sized("pad", "Pad", [0, 0, 0, 0, 1 << 40, 0, 0, 0]),
      sized("pad", "Pad", [0, 0, 1 << 12, 1 << 12, 0, 0, 0, 0]),
      sized("reshape", "Reshape", [Int](repeating: 1, count: 1 << 16) + [192]),
      sized("unsqueeze", "Unsqueeze", Array(0..<1 << 16)),
      graph("constant", [W.node("ConstantOfShape", ["s"], ["y"])], [W.integers("s", [1 << 62])]),
      graph(
        "empty and vast", [W.node("Transpose", ["w"], ["y"])],
        [W.floats("w", [], dims: [0, 1 << 40, 1 << 40])]),
      graph(
        "empty and large", [W.node("Transpose", ["w"], ["y"])],
        [W.floats("w", [], dims: [1 << 20, 0])]),
      graph(
        "resize", [W.node("Resize", ["x", "", "", "s"], ["y"])],
        [W.integers("s", [1, 3, 8, 1 << 20])]),
      graph("picture", [W.node("Relu", ["x"], ["y"])], picture: [1 << 40, 3, 1 << 40, 1 << 40]),
      graph("picture", [W.node("Relu", ["x"], ["y"])], picture: [1, 3, 1 << 14, 1 << 14]),
      // An axis that is cut twice leads outside the tensor.
      graph(
        "slice", [W.node("Slice", ["x", "s", "e", "a"], ["y"])],
        [W.integers("s", [7, 7]), W.integers("e", [8, 8]), W.integers("a", [3, 3])]),
      graph(
        "range backwards", [W.node("Range", ["a", "b", "c"], ["y"])],
        [
          W.floats("a", [3e38], dims: []), W.floats("b", [0], dims: []),
          W.floats("c", [1e-30], dims: []),
        ]),
      graph(
        "range of all integers", [W.node("Range", ["a", "b", "c"], ["y"])],
        [
          W.integers("a", [0], dims: []), W.integers("b", [.min], dims: []),
          W.integers("c", [-1], dims: []),
        ]),
      graph(
        "groups", [W.node("Conv", ["x", "w"], ["y"], W.attribute("group", [1 << 62]))],
        [W.floats("w", [], dims: [0, 3, 1, 1])]),
      graph(
        "padding", [W.node("Conv", ["x", "w"], ["y"], W.attribute("pads", [900, 900, 900, 900]))],
        [W.floats("w", [0, 0, 0], dims: [1, 3, 1, 1])]),
      graph(
        "split", [W.node("Split", ["x"], ["y"], W.attribute("num_outputs", [65_536]))]),
      graph(
        "many living values",
        [million] + (0..<200).map { W.node("Relu", ["v0"], ["r\($0)"]) }
          + [W.node("Sum", (0..<200).map { "r\($0)" }, ["y"])], sizes),
      // Each node takes milliseconds, all of them would take minutes.
      graph(
        "endless products",
        [W.node("ConstantOfShape", ["side"], ["v0"])]
          + (0..<2000).map { W.node("MatMul", ["v\($0)", "v\($0)"], ["v\($0 + 1)"]) }
          + [W.node("Relu", ["v2000"], ["y"])], sizes),
      graph(
        "endless elements",
        [million] + (0..<8000).map { W.node("Erf", ["v\($0)"], ["v\($0 + 1)"]) }
          + [W.node("Relu", ["v8000"], ["y"])], sizes),
      graph(
        "small constants",
        (0..<8000).map { W.node("Expand", ["one", "few"], ["v\($0)"]) }
          + [W.node("Sum", (0..<8000).map { "v\($0)" }, ["y"])],
        [W.floats("one", [1]), W.integers("few", [4096])]),
      graph(
        "doubling",
        (0..<60).map {
          W.node("Concat", ["v\($0)", "v\($0)"], ["v\($0 + 1)"], W.attribute("axis", [0]))
        } + [W.node("Relu", ["v60"], ["y"])], [W.floats("v0", [1, 2, 3, 4])]),
      graph(
        "a cycle", [W.node("Relu", ["z"], ["y"]), W.node("Relu", ["y"], ["z"])]),
      graph("two makers", [W.node("Relu", ["x"], ["y"]), W.node("Neg", ["x"], ["y"])]),
    ]
    entries += [(20_000, "deep"), (200_000, "deeper")].map { depth, name in
      Entry("bomb graph nested \(name)") {
        var graph: [UInt8] = []
        // Built from the inside, lengths and all: graph.node.attribute.g.
        var parts: [[UInt8]] = []
        var count = 0
        for _ in 0..<depth {
          var start: [UInt8] = []
          for number in [6, 5, 1] {
            start =
              ProtobufTree.varint(UInt64(number << 3 | 2))
              + ProtobufTree.varint(UInt64(count + start.count)) + start
          }
          count += start.count
          parts.append(start)
        }
        for part in parts.reversed() { graph += part }
        return W.model(graph)
      }
    }
    return entries
  }

  /// A valid graph in which a weight passes through thousands of nodes that change nothing.
  static func chainBombs() throws -> [Entry] {
    typealias W = GraphWriter
    let tree = ProtobufTree(try origin("onnx/eva02-image-simplified.onnx"))
    guard
      let place = tree.places(where: { field in
        field.owner == .node && field.number == 1 && field.text.hasPrefix("onnx::MatMul")
      }).first
    else { return [] }
    let name = tree[place].text
    return ["Identity", "Transpose"].map { operation in
      Entry("bomb graph chain of \(operation)") {
        var tree = tree
        let count = 10_000
        tree[place].bytes = Array("chain\(count - 1)".utf8)
        let nodes = (0..<count).map { index in
          ProtobufTree.Field(
            owner: .graph, number: 1, wire: 2,
            bytes: W.node(operation, [index == 0 ? name : "chain\(index - 1)"], ["chain\(index)"]))
        }
        tree.change(Array(place.prefix(2))) { fields, _ in fields.insert(contentsOf: nodes, at: 0) }
        return tree.bytes
      }
    }
  }
}
