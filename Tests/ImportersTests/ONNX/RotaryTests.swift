import Foundation
import Testing

@testable import Importers
@testable import Model
@testable import ONNX

/// Graphs whose rotary positions are not what an EVA02 rotates by: refused, whether or not anyone
/// verifies the conversion.
@Suite struct RotaryTests {
  private static let expected =
    "expected scaling, heads taken apart, or rotary positions of EVA02: neighbouring channels, "
    + "base 10000, extent 16"

  /// What an exporter made of a model that computes its tables while it is traced
  /// (Goldens/onnx/make_mistraced.py).
  @Test func mistracedTablesAreRefused() throws {
    let path = ONNXImporterTests.folder.appending(path: "mistraced.onnx").path
    let error = #expect(throws: DeclipError.self) { try CheckpointImporter.read(path: path) }
    #expect(error?.place == "vision block 0")
    let problem = try #require(error?.problem)
    #expect(
      problem.hasPrefix(
        "node '/blocks.0/attn/Mul' (Mul): changes queries or keys in a way that is not known"))
    #expect(error?.description.hasSuffix(Self.expected) == true)
  }

  /// The tables of `eva02-image-simplified`, `[patches, head size]` each.
  private struct Tables {
    var cosines: [Float]
    var sines: [Float]
    let patches = 25
    let size = 16

    init(_ angle: (_ patch: Int, _ pair: Int) -> Double) {
      (cosines, sines) = ([], [])
      for patch in 0..<patches {
        for channel in 0..<size {
          cosines.append(Float(cos(angle(patch, channel / 2))))
          sines.append(Float(sin(angle(patch, channel / 2))))
        }
      }
    }

    /// Those of EVA02, or of another base or extent.
    init(base: Double = 10_000, extent: Double = 16) {
      self.init { patch, pair in
        let position = pair < 4 ? patch / 5 : patch % 5
        return extent * Double(position) / 5 * pow(base, -2 * Double(pair % 4) / 8)
      }
    }
  }

  /// The graph with other tables, read without verification.
  private func read(_ tables: Tables) throws -> Checkpoint {
    let path = ONNXImporterTests.folder.appending(path: "eva02-image-simplified.onnx").path
    let whole = try ONNXFile.read(path: path)
    var replaced = 0
    let nodes = whole.graph.nodes.map { node -> Node in
      guard case .tensor(let stored)? = node.attributes["value"],
        stored.shape.suffix(2) == [tables.patches, tables.size],
        let values = Value(stored).floats
      else { return node }
      replaced += 1
      // The first patch is at the origin.
      let table = values[0] == 1 ? tables.cosines : tables.sines
      let bytes = table.flatMap { littleEndian($0.bitPattern) }
      return Node(
        name: node.name, operation: node.operation, domain: node.domain, inputs: node.inputs,
        outputs: node.outputs,
        attributes: [
          "value": .tensor(
            StoredTensor(
              name: "", elementType: .float32, shape: stored.shape, bytes: ByteView(bytes)))
        ], metadata: node.metadata)
    }
    #expect(replaced >= 2)
    let graph = Graph(
      nodes: nodes, initializers: whole.graph.initializers, inputs: whole.graph.inputs,
      outputs: whole.graph.outputs)
    let model = ONNXModel(
      irVersion: whole.irVersion, producer: "", opset: whole.opset, graph: graph,
      files: whole.files, budget: whole.budget)
    return try ONNXImporter.read(model, options: ImportOptions()).checkpoint
  }

  @Test func tablesOfEVA02AreRecognised() throws {
    #expect(try read(Tables()).architecture.vision.rotary?.extent == 16)
    // Positions that were not rescaled to the grid of pre-training.
    #expect(try read(Tables(extent: 5)).architecture.vision.rotary?.extent == 5)
    // A rotation by nothing is none.
    #expect(try read(Tables { _, _ in 0 }).architecture.vision.rotary == nil)
  }

  private static let faults: [(String, Tables)] = {
    var token = Tables()
    // One pair of one patch.
    token.cosines[17 * 16 + 4] = 0.9
    var order = Tables()
    order.cosines.swapAt(3 * 16 + 8, 4 * 16 + 8)
    var negative = Tables()
    negative.sines = negative.sines.map { -$0 }
    return [
      ("one channel of one token", token), ("channels of two tokens exchanged", order),
      ("turned the other way round", negative), ("another base", Tables(base: 1000)),
      ("another extent", Tables(extent: 14)),
      (
        "rows and columns exchanged",
        Tables { patch, pair in
          16 * Double(pair < 4 ? patch % 5 : patch / 5) / 5 * pow(10_000, -2 * Double(pair % 4) / 8)
        }
      ),
      ("the same angle for all patches", Tables { patch, _ in patch == 0 ? 0 : 0.3 }),
      (
        "pairs half a head apart",
        {
          var tables = Tables()
          let angles = tables
          for patch in 0..<25 {
            for channel in 0..<16 {
              tables.cosines[patch * 16 + channel] = angles.cosines[patch * 16 + channel % 8 * 2]
              tables.sines[patch * 16 + channel] = angles.sines[patch * 16 + channel % 8 * 2]
            }
          }
          return tables
        }()
      ),
    ]
  }()

  @Test(arguments: faults.indices) func otherTablesAreRefused(index: Int) throws {
    let (what, tables) = Self.faults[index]
    let error = #expect(throws: DeclipError.self, "\(what)") { try read(tables) }
    #expect(
      error?.problem.hasPrefix("node '/blocks.0/attn/rope/Mul' (Mul): changes queries or keys")
        == true, "\(what): \(error?.description ?? "")")
    #expect(error?.description.hasSuffix(Self.expected) == true, "\(what)")
  }
}
