import DeCLIP
import Foundation
import Importers
import Model
import Testing
import Vision

@testable import Runtime

/// The int8 engine beside the float engine on the same plans.
@Suite struct Int8EngineTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// Cosines of rows: their mean, and the mean after each side's mean row is taken away.
  private func cosines(
    _ a: [Float], _ b: [Float], size: Int
  ) -> (plain: Float, centred: Float) {
    func rows(_ values: [Float]) -> [[Float]] {
      stride(from: 0, to: values.count, by: size).map { Array(values[$0..<$0 + size]) }
    }
    func centred(_ rows: [[Float]]) -> [[Float]] {
      let mean = (0..<size).map { column in
        rows.reduce(0) { $0 + $1[column] } / Float(rows.count)
      }
      return rows.map { zip($0, mean).map { $0 - $1 } }
    }
    func mean(_ a: [[Float]], _ b: [[Float]]) -> Float {
      zip(a, b).reduce(0) { sum, pair in
        let (x, y) = (normalizedVector(pair.0[...]), normalizedVector(pair.1[...]))
        return sum + zip(x, y).reduce(0) { $0 + $1.0 * $1.1 }
      } / Float(a.count)
    }
    let (a, b) = (rows(a), rows(b))
    return (mean(a, b), mean(centred(a), centred(b)))
  }

  private func features(
    _ checkpoint: Checkpoint, _ pixels: [Float], _ input: InputSize, mode: DenseMode,
    output: VisionOutput = .dense, int8: Bool, threads: Int = 2, kernels: Kernels
  ) throws -> [Float] {
    let pool = try WorkerPool(threads: threads)
    let plan = try Plan.vision(
      checkpoint.architecture, input: input, mode: mode, outputs: [output])
    let engine: any VisionEngine =
      int8
      ? try Int8Engine(
        plan: plan,
        weights: Int8Weights(checkpoint, for: [plan], pool: pool, kernels: kernels), pool: pool,
        kernels: kernels)
      : try FloatEngine(
        plan: plan, weights: FloatWeights(checkpoint, for: [plan], pool: pool), pool: pool,
        kernels: kernels)
    try pixels.withUnsafeBufferPointer { try engine.run(pixels: $0) }
    return engine.output(output.slot)
  }

  private func demo(
    _ size: Int
  ) throws -> (checkpoint: Checkpoint, pixels: [Float], input: InputSize) {
    let folder = Self.root.appending(path: "fixtures/shapes")
    let checkpoint = try CheckpointImporter.read(
      path: folder.appending(path: "model.safetensors").path)
    let picture = try Image(path: folder.appending(path: "scenes/demo.png").path)
    let geometry = try InputGeometry(
      pictureWidth: picture.width, pictureHeight: picture.height, size: size, patchSize: 16,
      fit: .square)
    let input = checkpoint.architecture.preprocessing.dense(picture, geometry, threads: 2)
    return (
      checkpoint, input.values, InputSize(height: input.height, width: input.width)
    )
  }

  @Test(arguments: [224, 560], [DenseMode.qq, .kk, .vv, .csa, .all, .maskclip, .vanilla])
  func demoModelKeepsItsFeatures(size: Int, mode: DenseMode) throws {
    let (checkpoint, pixels, input) = try demo(size)
    let kernels = try Kernels.chosen()
    let float = try features(
      checkpoint, pixels, input, mode: mode, int8: false, kernels: kernels)
    let int8 = try features(checkpoint, pixels, input, mode: mode, int8: true, kernels: kernels)
    let (plain, centred) = cosines(float, int8, size: checkpoint.architecture.embeddingSize)
    #expect(plain >= 0.998 && centred >= 0.99, "\(plain), centred \(centred)")
  }

  /// Integers leave nothing to the order of threads.
  @Test func threadsDoNotShow() throws {
    let (checkpoint, pixels, input) = try demo(224)
    let kernels = try Kernels.chosen()
    let all = try [1, 2, 3, 5].map { threads in
      try features(
        checkpoint, pixels, input, mode: .qq, int8: true, threads: threads, kernels: kernels)
    }
    #expect(all.allSatisfy { $0 == all[0] })
  }

  /// Instruction sets that take whole bytes only by widening them compute with 7 bits.
  @Test func everyInstructionSetKeepsFeatures() throws {
    let (checkpoint, pixels, input) = try demo(112)
    let float = try features(
      checkpoint, pixels, input, mode: .csa, int8: false, kernels: .chosen())
    for kernels in Kernels.available {
      let int8 = try features(
        checkpoint, pixels, input, mode: .csa, int8: true, kernels: kernels)
      let (plain, centred) = cosines(float, int8, size: checkpoint.architecture.embeddingSize)
      #expect(plain >= 0.998 && centred >= 0.99, "\(kernels.name) \(plain), centred \(centred)")
    }
  }

  /// Towers of every family: pre-norm and sub-LN, gated or not, heads of 16 and 32 channels.
  @Test(arguments: [
    "openclip-image-legacy14.onnx", "hf-image-tanh.onnx", "eva02-image-legacy14.onnx",
    "hf-golden-image.onnx", "eva02-dense-csa.onnx",
  ])
  func familiesKeepTheirFeatures(file: String) throws {
    let path = Self.root.appending(path: "Tests/Goldens/onnx/\(file)").path
    let checkpoint = try CheckpointImporter.read(path: path)
    let kernels = try Kernels.chosen()
    let patch = checkpoint.architecture.vision.patchSize
    let input = InputSize(height: 7 * patch, width: 9 * patch)
    let pixels = (0..<3 * input.height * input.width).map { Float(sin(0.37 * Double($0))) }
    let mode = checkpoint.architecture.vision.exportedMode
    for mode in mode.map({ [$0] }) ?? [.qq, .maskclip, .vanilla] {
      let float = try features(
        checkpoint, pixels, input, mode: mode, int8: false, kernels: kernels)
      let int8 = try features(
        checkpoint, pixels, input, mode: mode, int8: true, kernels: kernels)
      let (plain, _) = cosines(float, int8, size: checkpoint.architecture.embeddingSize)
      #expect(plain >= 0.997, "\(mode.rawValue): \(plain)")
    }
  }

  /// Weights that no scale suits: not a number is refused by name, too small becomes nothing.
  @Test func extremeWeightsAreRefusedOrVanish() throws {
    var (checkpoint, pixels, input) = try demo(112)
    let kernels = try Kernels.chosen()
    let role = TensorRole.block(.vision, index: 0, .up, .weight)
    let shape = try #require(checkpoint.tensors[role]).shape
    func weights(_ value: Float) throws -> Tensor {
      let values = [Float](repeating: value, count: shape.reduce(1, *))
      let bytes = values.withUnsafeBytes { Array($0) }
      return try #require(Tensor(dataType: .float32, shape: shape, bytes: ByteView(bytes)))
    }
    for value in [Float.nan, .infinity, -.infinity] {
      checkpoint.tensors[role] = try weights(value)
      do {
        _ = try features(checkpoint, pixels, input, mode: .qq, int8: true, kernels: kernels)
        Issue.record("\(value) was taken")
      } catch let error as DeclipError {
        #expect(error.description == "tensor '\(role)': holds values that are not finite")
      }
    }
    for value in [Float.leastNonzeroMagnitude, 1e-37, 0] {
      checkpoint.tensors[role] = try weights(value)
      let result = try features(
        checkpoint, pixels, input, mode: .qq, int8: true, kernels: kernels)
      let isFinite = result.allSatisfy { $0.isFinite }
      #expect(isFinite, "\(value)")
    }
  }
}
