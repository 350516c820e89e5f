import Foundation
import Testing

@testable import Importers
@testable import Model
@testable import ONNX

/// Hostile graphs end in a typed error, never in a crash; damaged ones are in the corpus.
@Suite struct ONNXFuzzTests {
  /// A node that reads its own output, and two that read each other's.
  @Test func cyclesAreRefused() throws {
    func node(_ name: String, _ input: String, _ output: String) -> Node {
      Node(
        name: name, operation: "Relu", domain: "", inputs: [input], outputs: [output],
        attributes: [:], metadata: [:])
    }
    for nodes in [[node("a", "x", "x")], [node("a", "y", "x"), node("b", "x", "y")]] {
      let graph = Graph(
        nodes: nodes, initializers: [:], inputs: [],
        outputs: [ValueDescription(name: "x", elementType: .float32, shape: [1])])
      let model = ONNXModel(irVersion: 8, producer: "", opset: 17, graph: graph, files: [])
      #expect(throws: DeclipError.self) { try Interpreter(model).run([:]) }
    }
  }

  @Test func absurdSizesAreRefused() throws {
    for shape in [[1 << 40], [1 << 20, 1 << 20], [-1], [1 << 27]] {
      let sizes = StoredTensor(
        name: "s", elementType: .int64, shape: [shape.count],
        bytes: ByteView(shape.flatMap { littleEndian(Int64($0)) }))
      let node = Node(
        name: "a", operation: "ConstantOfShape", domain: "", inputs: ["s"], outputs: ["x"],
        attributes: [:], metadata: [:])
      let graph = Graph(
        nodes: [node], initializers: ["s": sizes], inputs: [],
        outputs: [ValueDescription(name: "x", elementType: .float32, shape: nil)])
      let model = ONNXModel(irVersion: 8, producer: "", opset: 17, graph: graph, files: [])
      #expect(throws: DeclipError.self) { try Interpreter(model).run([:]) }
    }
  }

  /// Nodes that no output needs were never run; whatever they lack must not be asked for.
  @Test func deadNodesAreLeftAlone() throws {
    let url = ONNXImporterTests.folder.appending(path: "openclip-both-legacy17.onnx")
    let whole = try ONNXFile.read(path: url.path)
    let dead = ["ArgMax", "Reshape", "Add", "Sub", "ReduceMean", "MatMul", "Conv"].map {
      Node(
        name: "dead", operation: $0, domain: "", inputs: [], outputs: [], attributes: [:],
        metadata: [:])
    }
    let readers = ["Add", "Concat", "Softmax"].map {
      Node(
        name: "dead", operation: $0, domain: "", inputs: ["pixel_values", "pixel_values"],
        outputs: [], attributes: [:], metadata: [:])
    }
    let graph = Graph(
      nodes: dead + readers + whole.graph.nodes, initializers: whole.graph.initializers,
      inputs: whole.graph.inputs, outputs: whole.graph.outputs)
    let model = ONNXModel(
      irVersion: whole.irVersion, producer: "", opset: whole.opset, graph: graph,
      files: whole.files)
    let (checkpoint, _) = try ONNXImporter.read(model, options: ImportOptions())
    #expect(checkpoint.tensors.count == checkpoint.architecture.tensors.count)
  }

  // MARK: - Bombs

  private func model(_ nodes: [Node], _ initializers: [String: StoredTensor]) -> ONNXModel {
    ONNXModel(
      irVersion: 8, producer: "", opset: 17,
      graph: Graph(
        nodes: nodes, initializers: initializers, inputs: [],
        outputs: [ValueDescription(name: "x\(nodes.count)", elementType: .float32, shape: nil)]),
      files: [])
  }

  private func chain(_ count: Int, _ operation: String, inputs: Int) -> [Node] {
    (0..<count).map { index in
      Node(
        name: "n\(index)", operation: operation, domain: "",
        inputs: [String](repeating: "x\(index)", count: inputs), outputs: ["x\(index + 1)"],
        attributes: operation == "Concat" ? ["axis": .integer(0)] : [:], metadata: [:])
    }
  }

  private let four = StoredTensor(
    name: "x0", elementType: .float32, shape: [4], bytes: ByteView([UInt8](repeating: 0, count: 16))
  )

  /// Each node doubles what it is given: 2^62 elements from sixteen bytes.
  @Test func doublingIsRefused() {
    let bomb = model(chain(60, "Concat", inputs: 2), ["x0": four])
    var error: DeclipError?
    let seconds = processorSeconds {
      error = #expect(throws: DeclipError.self) { try Interpreter(bomb).run([:]) }
    }
    #expect(seconds < 10)
    #expect(error?.kind == .badData)
    #expect(error?.place?.contains("(Concat)") == true)
  }

  /// A sum whose terms all stay alive, each of them small.
  @Test func manyLivingValuesAreRefused() {
    let count = 1 << 20
    var nodes = (0..<64).map { index in
      Node(
        name: "n\(index)", operation: "ConstantOfShape", domain: "", inputs: ["s"],
        outputs: ["y\(index)"], attributes: [:], metadata: [:])
    }
    nodes.append(
      Node(
        name: "sum", operation: "Sum", domain: "", inputs: (0..<64).map { "y\($0)" },
        outputs: ["x65"], attributes: [:], metadata: [:]))
    let size = StoredTensor(
      name: "s", elementType: .int64, shape: [1], bytes: ByteView(littleEndian(Int64(count))))
    var error: DeclipError?
    let seconds = processorSeconds {
      error = #expect(throws: DeclipError.self) {
        try Interpreter(model(nodes, ["s": size])).run([:])
      }
    }
    #expect(seconds < 10)
    #expect(error?.problem == "the result would have the extents [1048576]")
    // 48 MB hold ten of them and, at eight bytes an element, not what an eleventh may need.
    #expect(error?.place == "node 'n10' (ConstantOfShape)")
    #expect(error?.remedy == "export with a smaller input")
  }

  /// A hundred thousand nodes in a row: neither the stack nor quadratic time suffers.
  @Test func deepGraphsTakeLinearTime() throws {
    let deep = model(chain(100_000, "Relu", inputs: 1), ["x0": four])
    var shape: [Int]?
    let seconds = try processorSeconds {
      shape = try Interpreter(deep).run([:])["x100000"]?.shape
    }
    #expect(shape == [4])
    #expect(seconds < 20)
  }

  /// Graphs inside attributes inside graphs, 20,000 levels: skipped, not descended into.
  @Test func nestedGraphsAreNotFollowed() {
    func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
      var (length, rest): ([UInt8], Int) = ([], content.count)
      while rest >= 0x80 {
        length.append(UInt8(rest & 0x7f) | 0x80)
        rest >>= 7
      }
      return [number << 3 | 2] + length + [UInt8(rest)] + content
    }
    var graph: [UInt8] = []
    for _ in 0..<20_000 {
      // graph.node.attribute.g
      graph = field(1, field(4, Array("If".utf8)) + field(5, field(6, graph)))
    }
    let bytes = [0x08, 8] + field(8, [0x10, 17]) + field(7, graph)
    let seconds = processorSeconds {
      #expect(throws: DeclipError.self) {
        let model = try ONNXFile.read(ByteView(bytes), path: "")
        _ = try ONNXImporter.read(model, options: ImportOptions())
      }
    }
    #expect(seconds < 10)
  }
}
