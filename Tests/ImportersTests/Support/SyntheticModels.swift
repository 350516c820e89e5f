@testable import Importers
@testable import Model

extension FamilyLayout {
  /// The tensors of an architecture in this layout, with numbers that tell them apart.
  func foreignTensors(of architecture: Architecture, prefix: String = "") -> [SourceTensor] {
    var names: Set<String> = []
    var tensors: [SourceTensor] = []
    for (index, specification) in architecture.tensors.enumerated() {
      let origin = origin(of: specification.role)
      guard names.insert(origin.name).inserted else { continue }
      tensors.append(
        .float32(
          prefix + origin.name, origin.foreignShape(of: specification.shape), from: 100 * index))
    }
    return tensors + [.float32(prefix + logitScaleName, [], from: 2)]
  }
}

extension Architecture {
  /// A small CLIP with one head of 64 in either tower.
  static let smallCLIP = Architecture(
    family: .clip, embeddingSize: 6, logitScale: naturalExponential(2),
    vision: VisionTower(
      transformer: Transformer(
        width: 64, layers: 2, heads: 1, hiddenSize: 10, activation: .quickGELU,
        layerNormEpsilon: 1e-5),
      patchSize: 2, nativeGrid: Grid(rows: 3, columns: 3), hasPatchBias: false, hasPreNorm: true,
      hasProjectionBias: false, rotary: nil),
    text: TextTower(
      transformer: Transformer(
        width: 64, layers: 1, heads: 1, hiddenSize: 12, activation: .quickGELU,
        layerNormEpsilon: 1e-5),
      contextLength: 5, vocabularySize: 520, hasProjectionBias: false),
    preprocessing: .clip)

  /// A small EVA02 with one head of 64 in either tower.
  static let smallEVA02: Architecture = {
    var architecture = Architecture.smallCLIP
    architecture.family = .eva02
    architecture.vision = VisionTower(
      transformer: Transformer(
        width: 64, layers: 2, heads: 1, hiddenSize: 10, activation: .silu, layerNormEpsilon: 1e-6,
        isGated: true, hasSubLayerNorm: true, hasKeyBias: false),
      patchSize: 2, nativeGrid: Grid(rows: 3, columns: 3), hasPatchBias: true, hasPreNorm: false,
      hasProjectionBias: true, rotary: RotaryPositions(theta: 10_000, extent: 16))
    architecture.text?.transformer.activation = .gelu
    return architecture
  }()
}

/// A small tokenizer: the bytes, their word ends, and three merges.
enum SmallTokenizer {
  static let merges = [("t", "h"), ("th", "e</w>"), ("c", "a")]

  /// The text of `merges.txt` or of OpenAI's vocabulary file.
  static let mergesText = "#version: 0.2\n" + merges.map { "\($0) \($1)\n" }.joined()

  /// The tokenizer that the text stands for.
  static func data() throws -> TokenizerData {
    try MergesText(ByteView(mergesText)).tokenizer()
  }

  /// `vocab.json`, without the special tokens if they are added elsewhere.
  static func vocabulary(withSpecialTokens: Bool = true) throws -> String {
    let texts = try data().vocabulary.dropLast(withSpecialTokens ? 0 : 2)
    let members = texts.enumerated().map { id, text in "\(quotedJSON(text)): \(id)" }
    return "{\(members.joined(separator: ", "))}"
  }

  static func quotedJSON(_ text: String) -> String {
    "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }
}
