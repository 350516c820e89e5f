import CKernels
import Foundation

@testable import Container
@testable import Files
@testable import Model

/// A seeded generator (SplitMix64), the same on every machine.
struct Seeded: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A normally distributed number of standard deviation 0.02, as weights are.
  mutating func weight() -> Float {
    let radius = (-2 * log(Float.random(in: Float.leastNormalMagnitude..<1, using: &self)))
      .squareRoot()
    return 0.02 * radius * cos(2 * .pi * Float.random(in: 0..<1, using: &self))
  }
}

/// A folder of its own, removed with the last reference.
final class Folder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "declip-container-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

extension Architecture {
  /// A model of few weights with every kind of tensor of its family.
  static func small(
    width: Int = 16, layers: Int = 1, hiddenSize: Int = 24, vocabularySize: Int = 40,
    hasText: Bool = true
  ) -> Architecture {
    Architecture(
      family: .eva02, embeddingSize: 12, logitScale: 100,
      vision: VisionTower(
        transformer: Transformer(
          width: width, layers: layers, heads: 2, hiddenSize: hiddenSize, activation: .silu,
          layerNormEpsilon: 1e-6, isGated: true, hasSubLayerNorm: true, hasKeyBias: false),
        patchSize: 4, nativeGrid: Grid(rows: 2, columns: 3), hasPatchBias: true,
        hasPreNorm: false, hasProjectionBias: true,
        rotary: RotaryPositions(theta: 10000, extent: 16)),
      text: hasText
        ? TextTower(
          transformer: Transformer(
            width: 8, layers: 1, heads: 2, hiddenSize: 20, activation: .gelu,
            layerNormEpsilon: 1e-5),
          contextLength: 7, vocabularySize: vocabularySize, hasProjectionBias: false) : nil,
      preprocessing: .clip)
  }
}

extension Tensor {
  /// Random weights of the given type.
  static func random(
    _ dataType: DataType, _ shape: [Int], using generator: inout Seeded
  ) throws -> Tensor {
    let count = shape.reduce(1, *)
    var bytes: [UInt8] = []
    func append<Value>(_ value: Value) {
      withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }
    for _ in 0..<count {
      switch dataType {
      case .float64: append(Double(generator.weight()))
      case .float32: append(generator.weight())
      case .float16: append(halfBits(generator.weight()))
      case .bfloat16: append(UInt16(generator.weight().bitPattern >> 16))
      case .int8, .uint8: append(UInt8.random(in: 0...255, using: &generator))
      case .int32: append(UInt32.random(in: 0 ... .max, using: &generator))
      case .int64: append(UInt64.random(in: 0 ... .max, using: &generator))
      case .bool: append(UInt8.random(in: 0...1, using: &generator))
      }
    }
    guard let tensor = Tensor(dataType: dataType, shape: shape, bytes: ByteView(bytes)) else {
      throw DeclipError(.internal, "impossible shape")
    }
    return tensor
  }

  var array: [UInt8] { bytes.withUnsafeBytes { Array($0) } }
}

extension Checkpoint {
  /// Random weights for an architecture.
  static func random(
    _ architecture: Architecture, _ dataType: DataType = .float32, seed: UInt64,
    tokenizer: TokenizerData? = .small
  ) throws -> Checkpoint {
    var generator = Seeded(seed)
    var tensors: [TensorRole: Tensor] = [:]
    for specification in architecture.tensors {
      tensors[specification.role] = try .random(
        dataType, specification.shape, using: &generator)
    }
    return Checkpoint(
      architecture: architecture, tensors: tensors, tokenizer: tokenizer,
      provenance: ["source": "random/\u{E9}", "seed": "\(seed)"])
  }
}

extension Checkpoint {
  /// This checkpoint with random integers for every weight that can be quantised: blocks of the
  /// vision tower in turn by row, wide after attention, and by tensor, the text tower as weights alone.
  func quantized(seed: UInt64) throws -> Checkpoint {
    var generator = Seeded(seed)
    var (result, quantization) = (self, Quantization())
    for specification in architecture.tensors {
      guard let scales = specification.role.scales else { continue }
      let weightBits = Int.random(in: 7...8, using: &generator)
      let count = specification.shape.reduce(1, *)
      let largest = weightBits == 7 ? 63 : 127
      let values = (0..<count).map { _ -> UInt8 in
        UInt8(bitPattern: Int8(Int.random(in: -largest...largest, using: &generator)))
      }
      let factors = (0..<specification.shape[0]).map { _ in abs(generator.weight()) }
      let bytes = factors.withUnsafeBytes { Array($0) }
      guard
        let integers = Tensor(
          dataType: .int8, shape: specification.shape, bytes: ByteView(values)),
        let floats = Tensor(dataType: .float32, shape: [factors.count], bytes: ByteView(bytes))
      else { throw DeclipError(.internal, "impossible shape") }
      result.tensors[specification.role] = integers
      result.tensors[scales] = floats
      quantization.layers[specification.role] = .init(
        weightBits: weightBits, input: Self.input(of: specification.role))
    }
    quantization.attention = (0..<architecture.vision.transformer.layers).map {
      $0 == 0 ? .wide : .init(scoreBits: 8, valueBits: 12)
    }
    result.quantization = quantization
    result.calibration = "{\"method\":\"random\",\"pictures\":0}"
    return result
  }

  private static func input(of role: TensorRole) -> Quantization.Input {
    guard case .block(let tower, let index, let layer, _) = role else {
      return .perTensor(scale: 0.0173, zeroPoint: 0, bits: 7)
    }
    if tower == .text || layer == .down { return .float }
    if layer == .attentionOutput, index % 2 == 0 { return .perRow(bits: 15) }
    return index % 2 == 0
      ? .perRow(bits: 8) : .perTensor(scale: 0.1, zeroPoint: 255, bits: 8)
  }
}

extension TokenizerData {
  static let small = TokenizerData(
    vocabulary: (0..<38).map { "t\($0)</w>" } + ["<start>", "<end>\u{120}"],
    merges: [Merge("a", "b"), Merge("ab", "\u{120}c</w>")], startToken: 38, endToken: 39,
    padToken: 0)
}

extension ContainerOptions {
  static let test = ContainerOptions(toolVersion: "test 1.2.3")
}

extension ContainerFile {
  /// A tensor as float32.
  func floats(_ entry: TensorEntry) throws -> [Float] {
    var values = [Float](repeating: .nan, count: entry.elementCount)
    try values.withUnsafeMutableBufferPointer { try read(entry, into: $0) }
    return values
  }
}

func fileBytes(_ path: String) throws -> [UInt8] {
  try MappedFile(path: path).bytes.withUnsafeBytes { Array($0) }
}

/// The binary16 nearest to a value.
func halfBits(_ value: Float) -> UInt16 {
  var (source, bits) = (value, UInt16(0))
  declip_f32_to_f16_reference(&source, &bits, 1)
  return bits
}
