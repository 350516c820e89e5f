import Foundation
import Model
import Runtime

@testable import Quantization

/// A small vision tower with weights that follow from a seed.
struct RandomModel: WeightSource {
  let architecture: Architecture
  let seed: UInt64
  /// What norms' channels are multiplied by and their readers' columns divided: the function stays.
  var outliers: Float = 1

  /// Blocks of EVA02 (sub-LN, gated, rotary) or of CLIP (neither), two of them, two heads of 16.
  init(_ family: Family, seed: UInt64 = 1) {
    let isEVA = family == .eva02
    architecture = Architecture(
      family: family, embeddingSize: 24, logitScale: 100,
      vision: VisionTower(
        transformer: Transformer(
          width: 32, layers: 3, heads: 2, hiddenSize: 48, activation: isEVA ? .silu : .quickGELU,
          layerNormEpsilon: 1e-6, isGated: isEVA, hasSubLayerNorm: isEVA, hasKeyBias: !isEVA),
        patchSize: 8, nativeGrid: Grid(rows: 4, columns: 4), hasPatchBias: isEVA,
        hasPreNorm: !isEVA, hasProjectionBias: isEVA,
        rotary: isEVA ? RotaryPositions(theta: 10000, extent: 16) : nil),
      text: nil, preprocessing: .clip)
    self.seed = seed
  }

  func read(
    _ role: TensorRole, into destination: UnsafeMutableBufferPointer<Float>
  ) throws(DeclipError) {
    // The name decides, so that tensors do not depend on the order of reading.
    let hash = role.description.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    var random = SplitMix64(seed: hash ^ seed)
    let isGain =
      destination.count <= 48 && role.description.contains("orm.weight")
      || role.description.contains("norm1.weight") || role.description.contains("norm2.weight")
    let shape = architecture.tensors.first { $0.role == role }?.shape ?? []
    let fanIn = shape.count > 1 ? shape.dropFirst().reduce(1, *) : 16
    let size = 1.5 / Float(fanIn).squareRoot()
    for index in destination.indices {
      destination[index] = random.normal() * (isGain ? 0.3 : size) + (isGain ? 1 : 0)
    }
    guard outliers != 1 else { return }
    for group in architecture.inputGroups {
      guard let source = group.source, case .block(_, _, let layer, _) = source,
        [.norm1, .norm2, .attentionNorm, .hiddenNorm].contains(layer)
      else { continue }
      if role == source || role == source.bias {
        destination[3] *= outliers
      } else if group.weights.contains(role) {
        for row in stride(from: 3, to: destination.count, by: group.width) {
          destination[row] /= outliers
        }
      }
    }
  }
}

/// Pictures of seeded noise with some structure.
struct RandomPictures: PictureInputs {
  var count = 8
  var size = InputSize(height: 40, width: 48)

  func pixels(_ index: Int) throws(DeclipError) -> [Float] {
    var random = SplitMix64(seed: UInt64(index) + 77)
    let (a, b) = (random.normal(), random.normal())
    return (0..<3 * size.height * size.width).map { place in
      let (x, y) = (place % size.width, place / size.width % size.height)
      return Float(sin(Double(a) * Double(x) / 5) + cos(Double(b) * Double(y) / 7))
        + 0.4 * random.normal()
    }
  }

  func shownPatches(_ index: Int) -> [Int] {
    Array(0..<size.height * size.width / 64)
  }
}

extension SplitMix64 {
  /// Uniform in 0..<1.
  mutating func uniform() -> Float { Float(next() >> 40) / Float(1 << 24) }

  /// Normally distributed, by the sum of twelve uniform numbers.
  mutating func normal() -> Float { (0..<12).reduce(Float(-6)) { sum, _ in sum + uniform() } }

  /// Many of them.
  mutating func normals(_ count: Int) -> [Float] { (0..<count).map { _ in normal() } }
}
