import Foundation
import Testing

@testable import Importers
@testable import Model
@testable import ONNX

@Suite struct UnreadGraphTests {
  private func error(_ operation: String, domain: String = "") -> String? {
    let node = Node(
      name: "n", operation: operation, domain: domain, inputs: [], outputs: ["y"], attributes: [:],
      metadata: [:])
    let graph = Graph(nodes: [node], initializers: [:], inputs: [], outputs: [])
    do throws(DeclipError) {
      try UnreadGraph.check(
        ONNXModel(irVersion: 8, producer: "", opset: 17, graph: graph, files: []))
      return nil
    } catch { return error.description }
  }

  @Test(arguments: [
    "DynamicQuantizeLinear", "MatMulInteger", "QuantizeLinear", "DequantizeLinear", "MatMulNBits",
  ])
  func quantisedGraphsAreNamed(operation: String) {
    let expected =
      "node 'n' (\(operation)): the graph is quantised and cannot be read, expected the float graph"
      + " of a vision transformer; give that one (model.onnx, not model_quantized.onnx or"
      + " model_q4.onnx); declip-quant makes integers of it"
    #expect(error(operation) == expected)
    #expect(error(operation, domain: "com.microsoft") == expected)
  }

  @Test(arguments: ["Attention", "SkipLayerNormalization", "FusedMatMul", "BiasGelu"])
  func fusedGraphsAreNamed(operation: String) {
    #expect(
      error(operation, domain: "com.microsoft")
        == "node 'n' (\(operation)): the graph was fused by the optimizer of ONNX Runtime and cannot"
        + " be read, expected the float graph of a vision transformer; give the graph as"
        + " the exporter wrote it, before optimizing")
    #expect(error(operation) == nil)
    #expect(error("Conv", domain: "com.microsoft.nchwc")?.contains("was fused by") == true)
  }

  @Test(arguments: ["MaxPool", "BatchNormalization", "GlobalAveragePool"])
  func convolutionalNetworksAreNamed(operation: String) {
    #expect(
      error(operation)
        == "node 'n' (\(operation)): the graph is a convolutional network, such as a ResNet, and"
        + " cannot be read, expected a vision transformer; fetch or export a ViT of the same"
        + " library")
  }

  @Test func othersAreLeftToTheInterpreter() {
    #expect(error("QuickGelu", domain: "com.microsoft") == nil)
    #expect(error("Loop") == nil)
  }

  /// A factor for every channel behind attention, as DINOv2's blocks have it.
  @Test func layerScalesAreNamed() throws {
    let url = ONNXImporterTests.folder.appending(path: "openclip-image-legacy14.onnx")
    let whole = try ONNXFile.read(path: url.path)
    let sum = "/visual/transformer/resblocks.0/Add"
    var (nodes, initializers) = (whole.graph.nodes, whole.graph.initializers)
    let place = try #require(nodes.firstIndex { $0.name == sum })
    let (stream, branch) = (nodes[place].inputs[0], nodes[place].inputs[1])
    func node(_ name: String, _ operation: String, _ inputs: [String], _ outputs: [String]) -> Node
    {
      Node(
        name: name, operation: operation, domain: "", inputs: inputs, outputs: outputs,
        attributes: [:], metadata: [:])
    }
    initializers["gamma"] = StoredTensor(
      name: "gamma", elementType: .float32, shape: [32],
      bytes: ByteView([UInt8](repeating: 0x3D, count: 128)))
    nodes[place...place] = [
      node("ls1", "Mul", [branch, "gamma"], ["scaled"]),
      node(sum, "Add", [stream, "scaled"], nodes[place].outputs),
    ]
    let model = ONNXModel(
      irVersion: 8, producer: "", opset: whole.opset,
      graph: Graph(
        nodes: nodes, initializers: initializers, inputs: whole.graph.inputs,
        outputs: whole.graph.outputs), files: whole.files, budget: whole.budget)
    expectError(
      "vision block 0: its attention ends in a layer scale, node 'ls1' (Mul), which is not read"
        + " yet, expected a linear layer of 32 columns, as CLIP has; multiply the scale into the"
        + " weight and bias of the layer before it, and export again"
    ) { try ONNXImporter.read(model, options: ImportOptions()) }
  }

  /// The interpreter runs nothing of another domain under a name of the standard.
  @Test func domainsAreTold() throws {
    let node = Node(
      name: "n", operation: "Attention", domain: "com.microsoft", inputs: ["x"], outputs: ["y"],
      attributes: [:], metadata: [:])
    let graph = Graph(
      nodes: [node], initializers: [:], inputs: [],
      outputs: [ValueDescription(name: "y", elementType: .float32, shape: nil)])
    let model = ONNXModel(irVersion: 8, producer: "", opset: 17, graph: graph, files: [])
    expectError(
      "node 'n' (Attention): the operator com.microsoft.Attention is not supported, expected an"
        + " operator of formats/onnx-coverage.md, operator set 17"
    ) { try Interpreter(model).run(["x": Value([Float(1)], shape: [1])]) }
  }
}
