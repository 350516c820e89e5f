import Container
import Foundation
import Importers
import Model
import Runtime
import Testing

@testable import DeCLIP

/// Conversions proved against the graphs that they came from.
@Suite struct VerificationTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Goldens/onnx")

  private static let graphs: [String] = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    // A text tower alone and a graph without its positions are refused, which other tests show.
    let refused = ["hf-text-legacy17.onnx", "mistraced.onnx"]
    return names.filter { $0.hasSuffix(".onnx") && !refused.contains($0) }.sorted()
  }()

  private func convert(
    _ source: String, options: ImportOptions = ImportOptions()
  ) throws -> (report: Conversion.Report, file: ContainerFile) {
    let path = NSTemporaryDirectory() + "verified-\(UUID().uuidString).declip"
    defer { unlink(path) }
    let report = try Conversion.convert(
      Self.folder.appending(path: source).path, to: path, importing: options,
      writing: ContainerOptions(threads: 2, toolVersion: "tests"))
    return (report, try ContainerFile(path: path))
  }

  @Test func allGraphsAreThere() { #expect(Self.graphs.count == 34) }

  @Test(arguments: graphs) func graphsComputeTheSame(name: String) throws {
    let (report, file) = try convert(name)
    let verification = try #require(report.verification)
    #expect(!verification.differences.isEmpty)
    // Graphs that store or compute in 16 bits differ by what the interpreter does not round.
    let bound: Float = name.contains("half") ? 1e-4 : 5e-6
    for difference in verification.differences {
      #expect(difference.maximum <= bound, "\(difference)")
      #expect(difference.cosine > 0.9999)
    }
    #expect(file.provenance["verification"] == verification.summary)
  }

  private func refusal(
    of checkpoint: Checkpoint, _ reference: ReferenceGraph, _ pool: WorkerPool
  ) -> DeclipError? {
    do throws(DeclipError) {
      _ = try Verification.compare(checkpoint, with: reference, tolerance: 1e-4, pool: pool)
      return nil
    } catch {
      return error
    }
  }

  @Test func otherWeightsAreRefused() throws {
    let path = Self.folder.appending(path: "openclip-both-legacy17.onnx").path
    let pool = try WorkerPool(threads: 2)
    for (role, output) in [
      (TensorRole.block(.vision, index: 0, .attentionOutput, .weight), "image embedding"),
      (.block(.text, index: 1, .down, .bias), "text embedding"),
    ] {
      var (checkpoint, graph) = try CheckpointImporter.readWithReference(path: path)
      let reference = try #require(graph)
      let tensor = try #require(checkpoint.tensors[role])
      var bytes = tensor.bytes.withUnsafeBytes { Array($0) }
      // The sign of the fourth value.
      bytes[15] ^= 0x80
      checkpoint.tensors[role] = Tensor(
        dataType: tensor.dataType, shape: tensor.shape, bytes: ByteView(bytes))
      let error = refusal(of: checkpoint, reference, pool)
      #expect(error?.kind == .badData)
      #expect(
        error?.problem.hasPrefix("the converted model's \(output) differs from the graph's")
          == true)
    }
  }

  @Test func checkpointsWithoutGraphAreChecked() throws {
    let (report, file) = try convert("models/clip", options: ImportOptions(heads: 2))
    #expect(report.verification?.differences.isEmpty == true)
    #expect(file.provenance["verification"]?.hasSuffix("are finite") == true)

    var checkpoint = try CheckpointImporter.read(
      path: Self.folder.appending(path: "models/clip").path)
    let role = TensorRole.block(.vision, index: 1, .up, .bias)
    let tensor = try #require(checkpoint.tensors[role])
    var bytes = tensor.bytes.withUnsafeBytes { Array($0) }
    bytes.replaceSubrange(0..<4, with: [0, 0, 0xc0, 0x7f])
    checkpoint.tensors[role] = Tensor(
      dataType: tensor.dataType, shape: tensor.shape, bytes: ByteView(bytes))
    let pool = try WorkerPool(threads: 1)
    #expect(
      refusal(of: checkpoint, pool)?.problem
        == "1 of the 56 elements of vision.block[1].mlp.up.bias are not finite")
  }

  private func refusal(of checkpoint: Checkpoint, _ pool: WorkerPool) -> DeclipError? {
    do throws(DeclipError) {
      _ = try Verification.check(checkpoint, pool: pool)
      return nil
    } catch {
      return error
    }
  }

  @Test func denseExportsLackOtherModes() throws {
    let architecture = try convert("eva02-dense-legacy17.onnx").report.architecture
    #expect(architecture.vision.exportedMode == .qq)
    let input = InputSize(height: 40, width: 40)
    _ = try Plan.vision(architecture, input: input, mode: .qq, outputs: [.dense, .content])
    for (mode, output) in [(DenseMode.vanilla, VisionOutput.dense), (.kk, .dense), (.qq, .image)] {
      let error = refusal(of: architecture, input, mode, output)
      #expect(error?.kind == .usage)
      #expect(error?.problem.hasPrefix("the model was exported for dense mode qq") == true)
    }
  }

  private func refusal(
    of architecture: Architecture, _ input: InputSize, _ mode: DenseMode, _ output: VisionOutput
  ) -> DeclipError? {
    do throws(DeclipError) {
      _ = try Plan.vision(architecture, input: input, mode: mode, outputs: [output])
      return nil
    } catch {
      return error
    }
  }
}
