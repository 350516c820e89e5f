import Container
import DeCLIP
import Foundation
import Importers
import Model
import Synchronization
import Testing
import Vision

@testable import Runtime

/// The int8 engine on quantised models: what a file records is what is computed.
@Suite struct QuantizedEngineTests {
  private static let goldens = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Goldens/onnx")

  /// A walk of one picture.
  private struct Walk {
    let plan: Plan
    let features: [Float]
    /// What every step made, where that is to be seen.
    var rows: [[Float]?] = []
  }

  private func walk(
    _ source: some WeightSource, _ input: InputSize, mode: DenseMode = .qq, int8: Bool = true,
    threads: Int = 2, kernels: Kernels? = nil, observes: Bool = false
  ) throws -> Walk {
    let kernels = try kernels ?? .chosen()
    let pool = try WorkerPool(threads: threads)
    let plan = try Plan.vision(
      source.architecture, input: input, mode: mode, outputs: [.dense])
    let engine: any VisionEngine =
      int8
      ? try Int8Engine(
        plan: plan, weights: Int8Weights(source, for: [plan], pool: pool, kernels: kernels),
        pool: pool, kernels: kernels)
      : try FloatEngine(
        plan: plan, weights: FloatWeights(source, for: [plan], pool: pool), pool: pool,
        kernels: kernels)
    let pixels = (0..<3 * input.height * input.width).map { Float(sin(0.37 * Double($0))) }
    var rows: [[Float]?] = []
    try pixels.withUnsafeBufferPointer { pixels in
      if observes {
        try engine.run(pixels: pixels) { rows.append(engine.rows(madeBy: $0)) }
      } else {
        try engine.run(pixels: pixels)
      }
    }
    return Walk(plan: plan, features: engine.output(.dense), rows: rows)
  }

  private func demo() throws -> (Checkpoint, InputSize) {
    (
      try CheckpointImporter.read(path: DemoModel.path("model.safetensors")),
      InputSize(height: 112, width: 160)
    )
  }

  private func cosine(_ a: [Float], _ b: [Float], _ checkpoint: Checkpoint) -> Double {
    var difference = RowDifference()
    difference.add(reference: a, other: b, columns: checkpoint.architecture.embeddingSize)
    return difference.cosine
  }

  private func isVision(_ role: TensorRole) -> Bool { role.tower == .vision }

  /// Rows by their own scales and weights by their largest magnitudes are what happens to floats.
  @Test func integersFromAFileAreThoseMadeOnTheFly() throws {
    let (checkpoint, input) = try demo()
    for kernels in Kernels.available {
      let layers = checkpoint.architecture.vision.transformer.layers
      var quantized = try checkpoint.quantized { role in
        let isWide =
          switch role {
          case .block(_, _, .down, _): true
          case .block(_, let index, .attentionOutput, _): index == layers - 1
          default: false
          }
        return isVision(role) ? .init(weightBits: 8, input: .perRow(bits: isWide ? 15 : 8)) : nil
      }
      quantized.quantization?.attention = .init(
        repeating: .init(scoreBits: 8, valueBits: 12), count: layers)
      let expected = try walk(checkpoint, input, kernels: kernels).features
      #expect(try walk(quantized, input, kernels: kernels).features == expected, "\(kernels.name)")
    }
  }

  @Test func fileAndMemoryComputeTheSame() throws {
    let (checkpoint, input) = try demo()
    let quantized = try checkpoint.quantized {
      guard isVision($0) else { return .init(weightBits: 8, input: .float) }
      return "\($0)".contains("block[2]") || $0.scales == .patchEmbedding(.scales)
        ? nil
        : .init(
          weightBits: "\($0)".contains("mlp") ? 7 : 8,
          input: "\($0)".contains("query") || "\($0)".contains("key") || "\($0)".contains("value")
            ? .perTensor(scale: 0.04, zeroPoint: 120, bits: 8) : .perRow(bits: 8))
    }
    let path = NSTemporaryDirectory() + "quantized-\(UUID().uuidString).declip"
    defer { unlink(path) }
    try ContainerWriter.write(
      quantized, to: path, options: ContainerOptions(toolVersion: "tests"))
    let file = try ContainerFile(path: path)
    for mode in [DenseMode.qq, .vanilla] {
      let expected = try walk(quantized, input, mode: mode).features
      #expect(try walk(file, input, mode: mode).features == expected)
      for threads in [1, 3, 5] {
        #expect(try walk(file, input, mode: mode, threads: threads).features == expected)
      }
      #expect(try walk(file, input, mode: mode, observes: true).features == expected)
    }
    // The file names an engine, and the float engine takes it too.
    let model = try DeCLIP.Model(path: path)
    #expect(model.preferredEngine == .int8)
    let float = try walk(file, input, int8: false).features
    let int8 = try walk(file, input).features
    #expect(cosine(float, int8, checkpoint) > 0.997)
    let texts = try TextEncoder(model, pool: WorkerPool(threads: 2)).encode(["a red star"])
    let isFinite = texts[0].allSatisfy { $0.isFinite }
    #expect(isFinite)
  }

  /// Every combination of bits and scales, on every instruction set: a layer's output is the product
  /// of what it reads with `integers * scales`, and what it reads lies on the recorded grid.
  @Test(
    arguments: [7, 8],
    [
      Quantization.Input.perRow(bits: 7), .perRow(bits: 8),
      .perTensor(scale: 0.08, zeroPoint: 50, bits: 7),
      .perTensor(scale: 0.03, zeroPoint: 131, bits: 8),
      .perTensor(scale: 0.01, zeroPoint: 0, bits: 8),
    ])
  func layersMultiplyWhatTheFileRecords(weightBits: Int, layerInput: Quantization.Input) throws {
    let (checkpoint, input) = try demo()
    let query = TensorRole.block(.vision, index: 0, .query, .weight)
    let quantized = try checkpoint.quantized {
      if case .block(.vision, 0, .query, _) = $0 {
        return .init(weightBits: weightBits, input: layerInput)
      }
      if case .block(.vision, 0, .value, _) = $0 {
        return .init(weightBits: 15 - weightBits, input: layerInput)
      }
      return nil
    }
    let bias = try checkpoint.floats(.block(.vision, index: 0, .query, .bias))
    let width = checkpoint.architecture.vision.transformer.width
    for kernels in Kernels.available {
      // The keys, a float layer, are computed between the two.
      let walk = try walk(quantized, input, kernels: kernels, observes: true)
      let steps = walk.plan.steps
      let norm = try #require(
        steps.firstIndex {
          if case .layerNorm(.block(0, .norm1), _, _) = $0.operation { true } else { false }
        })
      let rows = try #require(walk.rows[norm])
      let read = quantizedRows(rows, width, layerInput)
      for (layer, role) in [(BlockLayer.query, query), (.value, query.of(.value))] {
        let step = try #require(
          steps.firstIndex {
            if case .linear(.block(0, layer), _, _, _, _) = $0.operation { true } else { false }
          })
        let weights = try quantized.floats(role)
        let bias =
          layer == .query ? bias : try checkpoint.floats(.block(.vision, index: 0, layer, .bias))
        let found = try #require(walk.rows[step])
        #expect(found.count == rows.count)
        for row in stride(from: 0, to: rows.count / width, by: 7) {
          for column in stride(from: 0, to: width, by: 13) {
            let (sum, size) = dot(read, row, weights, column, width, plus: [bias[column]])
            let error = abs(Double(found[row * width + column]) - sum)
            #expect(error <= 1e-6 * size + 1e-6, "\(kernels.name) \(layer) \(row) \(column)")
          }
        }
      }
    }
  }

  /// A row times a column, with what is added to that, and the sum of all terms' magnitudes.
  private func dot(
    _ rows: [Float], _ row: Int, _ weights: [Float], _ column: Int, _ width: Int, plus: [Float]
  ) -> (sum: Double, size: Double) {
    let products = (0..<width).map {
      Double(rows[row * width + $0]) * Double(weights[column * width + $0])
    }
    let terms = plus.map(Double.init) + products
    return (terms.reduce(0, +), terms.reduce(0) { $0 + abs($1) })
  }

  /// All layers that can read wide rows do: what is left of the error is that of weights.
  @Test(arguments: [14, 15]) func wideRowsOfAllLayersAreAsGoodAsFloats(bits: Int) throws {
    let (checkpoint, input) = try demo()
    func quantized(_ layerInput: Quantization.Input) throws -> Checkpoint {
      try checkpoint.quantized {
        isVision($0) && $0.canReadWideRows ? .init(weightBits: 8, input: layerInput) : nil
      }
    }
    let (wide, exact) = (try quantized(.perRow(bits: bits)), try quantized(.float))
    var bytes = wide
    bytes.quantization?.layers = try #require(wide.quantization).layers.mapValues {
      .init(weightBits: $0.weightBits, input: .perRow(bits: 8))
    }
    for source in [wide, exact, bytes] {
      try source.architecture.validate(#require(source.quantization))
    }
    for kernels in Kernels.available {
      let expected = try walk(exact, input, kernels: kernels).features
      func ratio(_ source: Checkpoint) throws -> Double {
        var difference = RowDifference()
        difference.add(
          reference: expected, other: try walk(source, input, kernels: kernels).features,
          columns: checkpoint.architecture.embeddingSize)
        return difference.ratio
      }
      #expect(try ratio(wide) > ratio(bytes) + 6, "\(kernels.name)")
    }
  }

  /// Fifteen bits after attention, in the decoupled block, where the product is stored, and in the
  /// ordinary one, where it is added to the residual stream.
  @Test(arguments: [7, 8], [DenseMode.qq, .csa, .vanilla])
  func rowsAfterAttentionHaveFifteenBits(weightBits: Int, mode: DenseMode) throws {
    let (checkpoint, input) = try demo()
    let width = checkpoint.architecture.vision.transformer.width
    let block = checkpoint.architecture.vision.transformer.layers - 1
    let role = TensorRole.block(.vision, index: block, .attentionOutput, .weight)
    func quantized(_ layerInput: Quantization.Input) throws -> Checkpoint {
      try checkpoint.quantized {
        $0 == role ? .init(weightBits: weightBits, input: layerInput) : nil
      }
    }
    let (wide, exact) = (try quantized(.perRow(bits: 15)), try quantized(.float))
    let (weights, bias) = (
      try wide.floats(role),
      try checkpoint.floats(.block(.vision, index: block, .attentionOutput, .bias))
    )
    for kernels in Kernels.available {
      let walk = try walk(wide, input, mode: mode, kernels: kernels, observes: true)
      let step = try #require(
        walk.plan.steps.firstIndex {
          if case .linear(.block(block, .attentionOutput), _, _, _, _) = $0.operation {
            true
          } else {
            false
          }
        })
      let (read, found) = (try #require(walk.rows[step - 1]), try #require(walk.rows[step]))
      let grid = quantizedRows(read, width, .perRow(bits: 15))
      #expect(zip(grid, read).allSatisfy { abs($0 - $1) <= 1e-6 * abs($1) }, "\(kernels.name)")
      let stream = walk.plan.steps[..<step].lastIndex { $0.target == .tokens }
      let before = mode == .vanilla ? stream.flatMap { walk.rows[$0] } : nil
      #expect(before.map(\.count) == (mode == .vanilla ? found.count : nil))
      for row in stride(from: 0, to: read.count / width, by: 5) {
        for column in stride(from: 0, to: width, by: 11) {
          let start = before?[row * width + column] ?? 0
          let (sum, size) = dot(read, row, weights, column, width, plus: [start, bias[column]])
          let error = abs(Double(found[row * width + column]) - sum)
          #expect(error <= 1e-6 * size + 1e-6, "\(kernels.name) \(row) \(column)")
        }
      }
      for threads in [1, 3] {
        let features = try self.walk(
          wide, input, mode: mode, threads: threads, kernels: kernels
        ).features
        #expect(features == walk.features, "\(kernels.name) \(threads)")
      }
      // Bytes lose a hundredth of a row, words next to nothing.
      var difference = RowDifference()
      difference.add(
        reference: try self.walk(exact, input, mode: mode, kernels: kernels).features,
        other: walk.features, columns: checkpoint.architecture.embeddingSize)
      #expect(difference.ratio > 70, "\(kernels.name) \(difference.ratio) dB")
    }
  }

  /// The rule of `formats/declip.md`, section "quantization".
  private func quantizedRows(
    _ rows: [Float], _ width: Int, _ input: Quantization.Input
  ) -> [Float] {
    var result = rows
    for start in stride(from: 0, to: rows.count, by: width) {
      let largest = rows[start..<start + width].map(abs).max() ?? 0
      let (scale, zeroPoint, bits): (Float, Float, Int) =
        switch input {
        case .perRow(let bits):
          (largest / Float(1 << (bits - 1) - 1), Float(1 << (bits - 1)), bits)
        case .perTensor(let scale, let zeroPoint, let bits): (scale, Float(zeroPoint), bits)
        case .float: (1, 0, 0)
        }
      for index in start..<start + width {
        // As kernels do it: a product with the inverse, rounded to even.
        let value = (rows[index] * (1 / scale)).rounded(.toNearestOrEven) + zeroPoint
        result[index] = (min(max(value, 0), Float(1 << bits - 1)) - zeroPoint) * scale
      }
    }
    return result
  }

  /// Which layers are in int8, chosen by chance: query, key and value or gate and up apart too.
  @Test(arguments: [
    "", "eva02-image-legacy14.onnx", "openclip-image-legacy14.onnx", "hf-image-tanh.onnx",
  ])
  func anyMixtureOfPrecisionsComputesTheModel(file: String) throws {
    let path = file.isEmpty ? DemoModel.path("model.safetensors") : Self.goldens.path + "/" + file
    let checkpoint = try CheckpointImporter.read(path: path)
    let patch = checkpoint.architecture.vision.patchSize
    let input = InputSize(height: 6 * patch, width: 9 * patch)
    let exported = checkpoint.architecture.vision.exportedMode
    let modes = exported.map { [$0] } ?? [DenseMode.qq, .maskclip, .vanilla]
    var generator = SystemRandomNumberGenerator()
    for mode in modes {
      let float = try walk(checkpoint, input, mode: mode, int8: false).features
      for share in [0, 0.3, 0.5, 0.8, 1] {
        let seed = UInt64.random(in: 0 ... .max, using: &generator)
        let mixture = try checkpoint.quantized { role in
          let draw = Double((seed ^ UInt64(truncatingIfNeeded: hash("\(role)"))) % 1009) / 1009
          guard isVision(role), draw < share else { return nil }
          return .init(weightBits: 8, input: draw < share / 6 ? .float : .perRow(bits: 8))
        }
        let found = try walk(mixture, input, mode: mode)
        let similarity = cosine(float, found.features, checkpoint)
        #expect(similarity >= 0.997, "\(mode.rawValue), share \(share), seed \(seed)")
        let observed = try walk(mixture, input, mode: mode, threads: 3, observes: true).features
        #expect(observed == found.features, "\(mode.rawValue), share \(share), seed \(seed)")
      }
    }
  }

  private func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(1_469_598_103_934_665_603) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
  }

  /// How many threads OpenBLAS takes is a setting of the process: those who run a graph meanwhile
  /// leave it alone, for with it the sums of layers in float would change.
  @Test func graphsReadAtTheSameTimeChangeNothing() throws {
    let (checkpoint, input) = try demo()
    let mixture = try checkpoint.quantized {
      isVision($0) && !"\($0)".contains("mlp")
        ? .init(weightBits: 8, input: .perRow(bits: 8)) : nil
    }
    let expected = try walk(mixture, input).features
    let graph = Self.goldens.path + "/eva02-image-legacy14.onnx"
    let isRead = Atomic(false)
    Thread.detachNewThread {
      for _ in 0..<50 { _ = try? CheckpointImporter.read(path: graph) }
      isRead.store(true, ordering: .relaxed)
    }
    var (walks, differences) = (0, 0)
    while !isRead.load(ordering: .relaxed) {
      if try walk(mixture, input).features != expected { differences += 1 }
      walks += 1
    }
    #expect(differences == 0, "of \(walks)")
  }

  /// Of a gated pair either layer may be left in float.
  @Test(arguments: [BlockLayer.gate, .up]) func oneLayerOfAGatedPairStaysInFloat(
    layer: BlockLayer
  ) throws {
    let (checkpoint, input) = try demo()
    let mixture = try checkpoint.quantized { role in
      guard case .block(.vision, _, let found, _) = role, [.gate, .up].contains(found) else {
        return nil
      }
      return found == layer ? nil : .init(weightBits: 8, input: .perRow(bits: 8))
    }
    let float = try walk(checkpoint, input, int8: false, observes: true)
    let found = try walk(mixture, input, observes: true)
    for (index, step) in found.plan.steps.enumerated() {
      guard case .gatedLinear = step.operation, step.block == 0 else { continue }
      var difference = RowDifference()
      difference.add(
        reference: try #require(float.rows[index]), other: try #require(found.rows[index]),
        columns: checkpoint.architecture.vision.transformer.hiddenSize)
      #expect(difference.ratio > 35, "\(difference.ratio) dB")
    }
    #expect(try walk(mixture, input, threads: 1).features == found.features)
    #expect(cosine(float.features, found.features, checkpoint) > 0.999)
  }

  /// What attention multiplies is what the file says, whatever is fast on the machine.
  @Test func attentionHasTheRecordedBits() throws {
    let (checkpoint, input) = try demo()
    let blocks = checkpoint.architecture.vision.transformer.layers
    let float = try walk(checkpoint, input, int8: false, observes: true)
    let step = try #require(
      float.plan.steps.firstIndex { if case .attend = $0.operation { true } else { false } })
    func ratio(_ attention: [Quantization.Attention], _ kernels: Kernels) throws -> Double {
      // No layers but one behind the attention looked at, so that it reads the float engine's rows.
      var quantized = try checkpoint.quantized {
        if case .block(.vision, 1, .down, _) = $0 {
          .init(weightBits: 8, input: .perRow(bits: 8))
        } else {
          nil
        }
      }
      quantized.quantization?.attention = attention
      let found = try walk(quantized, input, kernels: kernels, observes: true)
      var difference = RowDifference()
      difference.add(
        reference: try #require(float.rows[step]), other: try #require(found.rows[step]),
        columns: checkpoint.architecture.vision.transformer.width)
      return difference.ratio
    }
    for kernels in Kernels.available {
      let narrow = try ratio([], kernels)
      let widths: [Quantization.Attention] = [
        .narrow, .init(scoreBits: 8, valueBits: 12), .init(scoreBits: 13, valueBits: 8), .wide,
        .slim,
      ]
      let ratios = try widths.map {
        try ratio(
          [$0] + .init(repeating: .narrow, count: blocks - 1), kernels)
      }
      #expect(ratios[0] == narrow, "\(kernels.name)")
      #expect(ratios[1] > narrow + 0.5 && ratios[2] > narrow + 0.5, "\(kernels.name) \(ratios)")
      #expect(ratios[3] > narrow + 12, "\(kernels.name) \(ratios)")
      #expect(ratios[4] > narrow - 8 && ratios[4] < narrow - 2, "\(kernels.name) \(ratios)")
    }
  }

  @Test func layersBeyondTheirRangeAreRefused() throws {
    var (checkpoint, input) = try demo()
    checkpoint = try checkpoint.quantized {
      isVision($0) ? .init(weightBits: 8, input: .perRow(bits: 8)) : nil
    }
    let role = TensorRole.block(.vision, index: 1, .down, .weight)
    checkpoint.quantization?.layers[role]?.weightBits = 7
    #expect {
      try walk(checkpoint, input)
    } throws: {
      "\($0)".contains("tensor 'vision.block[1].mlp.down.weight': holds ")
        && "\($0)".hasSuffix("expected -63 to 63, as its weights have 7 bits")
    }
  }
}

extension TensorRole {
  /// The same tensor of another layer of the block.
  fileprivate func of(_ layer: BlockLayer) -> TensorRole {
    guard case .block(let tower, let index, _, let parameter) = self else { return self }
    return .block(tower, index: index, layer, parameter)
  }
}
