import Model
import Runtime
import Vision

/// A model and an engine that are evaluated.
public struct EvaluationSubject: Sendable {
  /// What results are listed under.
  public let name: String
  /// The model.
  public let model: Model
  /// What its vision tower is computed with.
  public let engine: EngineKind
  /// The classes of label maps; nil where pictures are not labelled.
  public let classes: Vocabulary?
  /// The categories of regions; nil where regions are not evaluated.
  public let categories: Vocabulary?

  /// Makes a subject.
  public init(
    name: String, model: Model, engine: EngineKind, classes: Vocabulary?, categories: Vocabulary?
  ) {
    self.name = name
    self.model = model
    self.engine = engine
    self.classes = classes
    self.categories = categories
  }

  /// What the subject's results depend on, in one number.
  var digest: UInt64 {
    var digest = FNV1a()
    digest.add(String(model.container.checksum, radix: 16))
    digest.add(engine.rawValue)
    for vocabulary in [classes, categories] {
      digest.add(vocabulary?.names.joined(separator: "\n") ?? "")
      for value in vocabulary?.embeddings ?? [] { digest.add(value.bitPattern) }
    }
    return digest.value
  }
}

/// What an evaluation computes.
public struct EvaluationOptions: Hashable, Sendable {
  /// The dense modes.
  public var modes: [DenseMode]
  /// How pictures become inputs.
  public var layout: InputLayout
  /// How regions become features.
  public var regionKinds: Set<RegionKind>
  /// True labels that count nowhere.
  public var ignoredLabels: Set<UInt16>
  /// The most pixels of a picture or map.
  public var pixelLimit: Int

  /// Makes options.
  public init(
    modes: [DenseMode] = [.qq], layout: InputLayout = InputLayout(),
    regionKinds: Set<RegionKind> = Set(RegionKind.allCases), ignoredLabels: Set<UInt16> = [255],
    pixelLimit: Int = Image.maximumPixelCount
  ) {
    self.modes = modes
    self.layout = layout
    self.regionKinds = regionKinds
    self.ignoredLabels = ignoredLabels
    self.pixelLimit = pixelLimit
  }
}

/// One walk over all pictures.
public enum EvaluationPass: Hashable, Sendable {
  /// Dense features in a mode: label maps, boxes and masks.
  case dense(DenseMode)
  /// Embeddings of regions cut out of pictures.
  case crops

  /// The mode, or `crops`.
  public var name: String {
    switch self {
    case .dense(let mode): mode.rawValue
    case .crops: "crops"
    }
  }
}

/// The hash FNV-1a of 64 bits (Fowler, Noll, Vo): tells inputs of two runs apart, not forgeries.
struct FNV1a {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func add(_ byte: UInt8) {
    value = (value ^ UInt64(byte)) &* 0x100_0000_01b3
  }

  mutating func add(_ word: UInt32) {
    for shift in stride(from: 0, to: 32, by: 8) {
      add(UInt8(truncatingIfNeeded: word >> UInt32(shift)))
    }
  }

  /// A text and its end.
  mutating func add(_ text: String) {
    for byte in text.utf8 { add(byte) }
    add(UInt8(0))
  }
}
