import Container
import Files
import Foundation
import Importers
import Model
import Testing

@testable import Runtime

/// The whole path from a foreign checkpoint through the container to the float engine, against
/// numbers that a PyTorch reference computed in float64 (`Tests/Goldens/README.md`).
///
/// Tolerance 2e-5 on normalised features: float32 rounding moves them by less than 2e-6, and the
/// smallest mistake that the goldens were checked for, a wrong LayerNorm epsilon, by 7e-4.
@Suite struct GoldenTests {
  private static let tolerance: Float = 2e-5
  private static let rawTolerance: Float = 1e-4

  enum Golden: String, CaseIterable {
    case openAI = "openai-clip"
    case openCLIP = "openclip-gelu"
    case huggingFace = "hf-clip"
    case eva02 = "eva02"
    case timm = "eva02-timm"

    var expectations: String { self == .timm ? "eva02" : rawValue }

    var sizes: [(height: Int, width: Int)] {
      switch self {
      case .openAI, .eva02, .timm: [(48, 48), (80, 80), (48, 72), (64, 40)]
      case .openCLIP: [(70, 70), (112, 112), (70, 126), (98, 42)]
      case .huggingFace: [(32, 32), (64, 64), (32, 56), (48, 24)]
      }
    }

    /// The golden model, imported.
    func checkpoint() throws -> Checkpoint {
      try CheckpointImporter.read(
        path: GoldenTests.folder.appending(path: "\(rawValue)/model.safetensors").path,
        options: ImportOptions(activation: self == .openCLIP ? .gelu : nil))
    }
  }

  private static let folder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Goldens")

  /// The golden model, imported, written as a container and opened again.
  private func model(_ golden: Golden) throws -> ContainerFile {
    let path = NSTemporaryDirectory() + "golden-\(UUID().uuidString).declip"
    defer { unlink(path) }
    _ = try ContainerWriter.write(
      golden.checkpoint(), to: path, options: ContainerOptions(toolVersion: "golden tests"))
    return try ContainerFile(path: path)
  }

  private func expectations(_ golden: Golden) throws -> SafetensorsFile {
    try SafetensorsFile(
      path: Self.folder.appending(path: "\(golden.expectations)/expected.safetensors").path)
  }

  private func floats(_ file: SafetensorsFile, _ name: String) throws -> [Float] {
    try #require(file[name], "no \(name)").bytes.withUnsafeBytes {
      Array($0.bindMemory(to: Float.self))
    }
  }

  private func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
    guard a.count == b.count else { return .infinity }
    return zip(a, b).map { abs($0 - $1) }.reduce(0) { $0.isNaN || $1.isNaN ? .nan : max($0, $1) }
  }

  private func normalized(_ values: [Float], _ width: Int) -> [Float] {
    var result = values
    for row in 0..<values.count / width {
      let range = row * width..<(row + 1) * width
      let norm = result[range].reduce(0) { $0 + $1 * $1 }.squareRoot()
      for i in range { result[i] /= norm }
    }
    return result
  }

  @Test(arguments: Golden.allCases) func visionTower(_ golden: Golden) throws {
    let model = try model(golden)
    let expected = try expectations(golden)
    let pool = try WorkerPool(threads: 2)
    let width = model.architecture.vision.transformer.width
    for (index, size) in golden.sizes.enumerated() {
      let name = "\(size.height)x\(size.width)"
      let pixels = GoldenPicture.pixels(
        height: size.height, width: size.width, seed: UInt32(index + 1))
      for mode in DenseMode.modes(of: model.architecture.family) {
        let plan = try Plan.vision(
          model.architecture, input: InputSize(height: size.height, width: size.width),
          mode: mode, outputs: Set(VisionOutput.allCases))
        let engine = try FloatEngine(
          plan: plan, weights: FloatWeights(model, for: [plan], pool: pool), pool: pool,
          kernels: .chosen())
        try pixels.withUnsafeBufferPointer { try engine.run(pixels: $0) }

        func check(_ found: [Float], _ key: String, _ tolerance: Float) throws {
          let difference = largestDifference(found, try floats(expected, key))
          #expect(difference <= tolerance, "\(golden.rawValue) \(key), mode \(mode.rawValue)")
        }
        let embedding = model.architecture.embeddingSize
        try check(
          normalized(engine.output(.dense), embedding), "dense.\(mode.rawValue).\(name)",
          Self.tolerance)
        try check(
          normalized(engine.output(.embedding), embedding), "image.\(name)", Self.tolerance)
        if index == 0 {
          try check(
            engine.output(.dense), "raw.\(mode.rawValue).\(name)", Self.rawTolerance)
        }
        if index == 2 {
          try check(engine.output(.content), "content.\(name)", Self.rawTolerance)
          try check(engine.output(.context), "context.\(name)", Self.rawTolerance)
          #expect(engine.output(.content).count == plan.rows * width - width)
        }
      }
    }
  }

  /// Each output alone computes the same as together with the others.
  @Test(arguments: [Golden.openAI, .eva02]) func outputsAlone(_ golden: Golden) throws {
    let model = try model(golden)
    let pool = try WorkerPool(threads: 1)
    let pixels = GoldenPicture.pixels(height: 48, width: 72, seed: 3)
    func run(_ mode: DenseMode, _ outputs: Set<VisionOutput>) throws -> FloatEngine {
      let plan = try Plan.vision(
        model.architecture, input: InputSize(height: 48, width: 72), mode: mode, outputs: outputs)
      let engine = try FloatEngine(
        plan: plan, weights: FloatWeights(model, for: [plan], pool: pool), pool: pool,
        kernels: .chosen())
      try pixels.withUnsafeBufferPointer { try engine.run(pixels: $0) }
      return engine
    }
    for mode in DenseMode.modes(of: model.architecture.family) {
      let together = try run(mode, Set(VisionOutput.allCases))
      for output in VisionOutput.allCases {
        let alone = try run(mode, [output]).output(output.slot)
        let difference = largestDifference(alone, together.output(output.slot))
        #expect(difference <= 1e-5, "\(mode.rawValue), \(output.rawValue)")
      }
    }
  }

  @Test(arguments: Golden.allCases) func textTower(_ golden: Golden) throws {
    let model = try model(golden)
    let expected = try expectations(golden)
    let pool = try WorkerPool(threads: 2)
    let ids = try #require(expected["text.ids"])
    let context = ids.shape[1]
    let rows = ids.bytes.withUnsafeBytes { Array($0.bindMemory(to: Int32.self)) }
    let texts = (0..<ids.shape[0]).map { row -> [Int32] in
      let text = Array(rows[row * context..<(row + 1) * context])
      // HF pools at the first end token, id 120 in this model; the others at the largest id.
      let end =
        golden == .huggingFace
        ? text.firstIndex(of: 120) : text.firstIndex(of: text.max() ?? 0)
      return Array(text[...(end ?? context - 1)])
    }
    // All in one go, and packed two by two: a text must not see its neighbours.
    for batch in [texts.count, 2] {
      let plan = try Plan.text(model.architecture, rows: batch * context)
      let engine = try FloatEngine(
        plan: plan, weights: FloatWeights(model, for: [plan], pool: pool), pool: pool,
        kernels: .chosen())
      var found: [Float] = []
      for start in stride(from: 0, to: texts.count, by: batch) {
        try engine.run(texts: texts[start..<min(start + batch, texts.count)])
        found += normalized(engine.output(.embedding), model.architecture.embeddingSize)
      }
      let difference = largestDifference(found, try floats(expected, "text.embedding"))
      #expect(difference <= Self.tolerance, "\(golden.rawValue)")
    }
  }

  @Test func positionsResizeAsInPyTorch() throws {
    let file = try SafetensorsFile(
      path: Self.folder.appending(path: "positions.safetensors").path)
    var cases = 0
    for tensor in file.tensors where tensor.name.hasPrefix("resized.") {
      let parts = tensor.name.split(separator: ".")
      func grid(_ text: Substring) -> Grid {
        let sides = text.split(separator: "x").compactMap { Int($0) }
        return Grid(rows: sides[0], columns: sides[1])
      }
      let (from, to) = (grid(parts[1]), grid(parts[2]))
      let width = try #require(tensor.shape.last)
      let table = try floats(file, "table.\(parts[1])")
      let found = Positions.resized(
        Array(table[width...]), from: from, to: to, width: width)
      let expected = try floats(file, tensor.name)
      #expect(
        largestDifference(Array(table[..<width]) + found, expected) <= 5e-6, "\(tensor.name)")
      cases += 1
    }
    #expect(cases > 3)
  }

  @Test func pictureIsTheOneOfTheGoldens() {
    #expect(GoldenPicture.mix(1, 2, 3, 4) == 2_029_433_918)
    #expect(GoldenPicture.mix(2, 47, 40, 5) == 2_612_880_398)
    let levels = GoldenPicture.pixels(height: 48, width: 48, seed: 1).map { Int($0 * 128) }
    #expect(Array(levels[..<6]) == [162, 92, 173, 116, 164, 137])
    #expect(levels.reduce(0, +) == 65354)
  }
}
