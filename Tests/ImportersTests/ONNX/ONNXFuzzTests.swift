import Foundation
import Testing

@testable import Importers
@testable import Model
@testable import ONNX

/// Damaged graphs end in a checkpoint or in a typed error, never in a crash.
@Suite struct ONNXFuzzTests {
  private static let files = [
    "eva02-image-simplified.onnx", "openclip-image-fused.onnx", "timm-image-opset23.onnx",
    "openclip-dense-qq.onnx",
  ]

  @Test(arguments: files) func damageNeverCrashes(file: String) throws {
    let url = ONNXImporterTests.folder.appending(path: file)
    let original = [UInt8](try Data(contentsOf: url))
    var generator = Seeded(20)
    for round in 0..<350 {
      var bytes = original
      switch round % 5 {
      case 0: bytes.removeLast(Int.random(in: 1..<bytes.count, using: &generator))
      case 1:
        for _ in 0..<Int.random(in: 1...8, using: &generator) {
          let place = Int.random(in: bytes.indices, using: &generator)
          bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        }
      case 2:
        // Structure lies thickest in names and attributes, most of which is text.
        let places = bytes.indices.filter { (0x20..<0x7f).contains(bytes[$0]) }
        if let place = places.randomElement(using: &generator) {
          bytes[place] = UInt8.random(in: 0...255, using: &generator)
        }
      case 3:
        let start = Int.random(in: bytes.indices, using: &generator)
        let end = min(bytes.count, start + Int.random(in: 1...64, using: &generator))
        bytes.replaceSubrange(start..<end, with: [UInt8](repeating: 0xff, count: end - start))
      default:
        let start = Int.random(in: 0..<bytes.count - 64, using: &generator)
        let from = Int.random(in: 0..<bytes.count - 64, using: &generator)
        bytes.replaceSubrange(start..<start + 64, with: bytes[from..<from + 64])
      }
      do throws(DeclipError) {
        let model = try ONNXFile.read(ByteView(bytes), path: "")
        _ = try ONNXImporter.read(model, options: ImportOptions())
      } catch {
        #expect(!error.description.isEmpty && !error.description.contains("\n"), "round \(round)")
      }
    }
  }

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
}
