import Foundation
import Testing

@testable import Importers
@testable import Model

/// Towers recognised in exported graphs, against the checkpoints that they were exported from.
@Suite struct ONNXImporterTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Goldens/onnx")

  struct Record: Decodable, Sendable, CustomTestStringConvertible {
    let file: String
    let source: String
    let mode: String
    let heads: Int
    let textHeads: Int
    let weights: String
    let activation: String

    var testDescription: String { file }

    static let all: [Record] = {
      let data = try? Data(contentsOf: folder.appending(path: "onnx.json"))
      let records = data.flatMap { try? JSONDecoder().decode([Record].self, from: $0) } ?? []
      return records.filter { !$0.file.hasPrefix("hf-text") }
    }()
  }

  private func read(_ record: Record) throws -> Checkpoint {
    try CheckpointImporter.read(path: Self.folder.appending(path: record.file).path)
  }

  @Test func allGraphsAreListed() { #expect(Record.all.count == 34) }

  @Test(arguments: Record.all) func architectureIsRecognised(record: Record) throws {
    let architecture = try read(record).architecture
    let transformer = architecture.vision.transformer
    #expect(transformer.heads == record.heads)
    #expect(
      transformer.activation.rawValue
        == (record.activation == "swiglu" ? "silu" : record.activation))
    #expect(architecture.family == (record.activation == "swiglu" ? .eva02 : .clip))
    #expect((architecture.vision.exportedMode ?? .vanilla).rawValue == record.mode)
    #expect(architecture.vision.rotary?.extent == (architecture.family == .eva02 ? 16 : nil))
    if let text = architecture.text { #expect(text.transformer.heads == record.textHeads) }
  }

  @Test(arguments: Record.all) func weightsAreTheCheckpoints(record: Record) throws {
    let imported = try read(record)
    let source = try CheckpointImporter.read(
      path: Self.folder.appending(path: record.source).path,
      options: ImportOptions(heads: record.heads))
    for specification in imported.architecture.tensors {
      let role = specification.role
      let own = try #require(imported.tensors[role], "\(role)")
      // Layers that the source has no bias for have one of zeros.
      guard let other = source.tensors[role] else {
        #expect(own.bytes.array.allSatisfy { $0 == 0 }, "\(role)")
        continue
      }
      #expect(own.shape == other.shape, "\(role)")
      if record.weights == "F32", !isFolded(role, in: record) {
        #expect(own.dataType == .float32 && own.bytes.array == other.bytes.array, "\(role)")
      } else {
        let tolerance: Float = record.weights == "F32" ? 1e-6 : 0x1p-11
        for (a, b) in zip(floats(own), floats(other)) {
          #expect(abs(a - b) <= tolerance * max(abs(b), 0x1p-14), "\(role)")
          if abs(a - b) > tolerance * max(abs(b), 0x1p-14) { break }
        }
      }
    }
  }

  /// Whether the exporter multiplied the tensor by a constant, which rounds it once more.
  private func isFolded(_ role: TensorRole, in record: Record) -> Bool {
    guard record.file.contains("fused"), case .block(_, _, .query, _) = role else { return false }
    return true
  }

  private func floats(_ tensor: Tensor) -> [Float] {
    tensor.bytes.withUnsafeBytes { bytes in
      tensor.dataType == .float16
        ? bytes.bindMemory(to: Float16.self).map { Float($0) }
        : Array(bytes.bindMemory(to: Float.self))
    }
  }

  @Test func logitScaleComesFromLogits() throws {
    for file in [
      "openclip-both-legacy17.onnx", "hf-both-dynamo-sdpa.onnx", "eva02-both-legacy17.onnx",
    ] {
      let path = Self.folder.appending(path: file).path
      let scale = try CheckpointImporter.read(path: path).architecture.logitScale
      let source = try CheckpointImporter.read(
        path: Self.folder.appending(path: file.hasPrefix("eva") ? "models/eva02" : "models/clip")
          .path)
      #expect(abs(scale - source.architecture.logitScale) < 1e-3, "\(file)")
    }
  }

  @Test func textTowerAloneIsRefused() {
    let path = Self.folder.appending(path: "hf-text-legacy17.onnx").path
    expectError(
      "\(path): the graph has no input of pixels, expected a vision tower; export the vision "
        + "tower, or both towers in one graph"
    ) { try CheckpointImporter.read(path: path) }
  }

  @Test func visionOnlyLeavesTextOut() throws {
    let path = Self.folder.appending(path: "openclip-both-legacy17.onnx").path
    let checkpoint = try CheckpointImporter.read(
      path: path, options: ImportOptions(visionOnly: true))
    #expect(checkpoint.architecture.text == nil)
    #expect(checkpoint.tensors.count == checkpoint.architecture.tensors.count)
  }
}
