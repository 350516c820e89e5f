import Model

/// EVA02-CLIP, and DeCLIP or CLIPSelf fine-tuned from it, as its authors name the tensors and as
/// OpenCLIP's timm wrapper does. Both have OpenCLIP's text tower under `text.`.
struct EVA02: FamilyLayout {
  /// `visual.blocks`, with `q_bias` and `v_bias` beside the projections.
  static let original = EVA02(
    name: "eva02", trunk: "visual.", attentionNorm: "attn.inner_attn_ln", gate: "mlp.w1",
    up: "mlp.w2", hiddenNorm: "mlp.ffn_ln", down: "mlp.w3", hasFreeBiases: true)

  /// `visual.trunk.blocks`, with biases inside the projections.
  static let timm = EVA02(
    name: "eva02-timm", trunk: "visual.trunk.", attentionNorm: "attn.norm", gate: "mlp.fc1_g",
    up: "mlp.fc1_x", hiddenNorm: "mlp.norm", down: "mlp.fc2", hasFreeBiases: false)

  let name: String
  /// What every name of the vision tower begins with.
  private let trunk: String
  private let attentionNorm: String
  private let gate: String
  private let up: String
  private let hiddenNorm: String
  private let down: String
  /// Whether biases of query, key and value are parameters of their own (`attn.q_bias`).
  private let hasFreeBiases: Bool
  private let text = OpenCLIPText.custom

  var signature: [String] {
    let block = blockStem(of: .vision) + "0."
    return [trunk + "cls_token", block + "attn.q_proj.weight", block + gate + ".weight"]
  }
  var textMark: String { text.mark }
  var textPrefixes: [String] { text.namePrefixes }
  var usesNamedPadToken: Bool { false }

  func blockStem(of tower: Tower) -> String {
    tower == .vision ? trunk + "blocks." : text.blockStem
  }

  func isDerived(_ name: String) -> Bool {
    // Tables of sines and cosines, once for the tower and once more in every block.
    text.isDerived(name) || name.hasPrefix(trunk) && name.split(separator: ".").contains("rope")
  }

  func origin(of role: TensorRole) -> TensorOrigin {
    switch role {
    case .patchEmbedding(let parameter):
      TensorOrigin("\(trunk)patch_embed.proj.\(parameter.rawValue)")
    case .classToken: TensorOrigin(trunk + "cls_token")
    case .positions(.vision): TensorOrigin(trunk + "pos_embed")
    case .preNorm(let parameter): TensorOrigin("\(trunk)norm_pre.\(parameter.rawValue)")
    case .norm(.vision, let parameter): TensorOrigin("\(trunk)norm.\(parameter.rawValue)")
    case .projection(.vision, let parameter): TensorOrigin("\(trunk)head.\(parameter.rawValue)")
    case .block(.vision, let index, let layer, let parameter):
      TensorOrigin("\(blockStem(of: .vision))\(index).\(layerName(layer, parameter))")
    case .tokenEmbedding, .positions(.text), .norm(.text, _), .projection(.text, _),
      .block(.text, _, _, _):
      text.origin(of: role)
    }
  }

  private func layerName(_ layer: BlockLayer, _ parameter: Parameter) -> String {
    let end = "." + parameter.rawValue
    return switch (layer, parameter) {
    case (.query, .bias) where hasFreeBiases: "attn.q_bias"
    case (.key, .bias) where hasFreeBiases: "attn.k_bias"
    case (.value, .bias) where hasFreeBiases: "attn.v_bias"
    case (.norm1, _): "norm1" + end
    case (.query, _): "attn.q_proj" + end
    case (.key, _): "attn.k_proj" + end
    case (.value, _): "attn.v_proj" + end
    case (.attentionNorm, _): attentionNorm + end
    case (.attentionOutput, _): "attn.proj" + end
    case (.norm2, _): "norm2" + end
    case (.gate, _): gate + end
    case (.up, _): up + end
    case (.hiddenNorm, _): hiddenNorm + end
    case (.down, _): down + end
    }
  }

  func architecture(
    of model: ForeignModel, notes: inout ImportNotes
  ) throws(DeclipError) -> Architecture {
    let config = try OpenCLIPConfig.beside(model.source)
    try config?.checkVision()
    let patches = try model.shape(of: trunk + "patch_embed.proj.weight", rank: 4)
    let embedding = try model.shape(of: trunk + "head.weight", rank: 2)[0]
    let stem = blockStem(of: .vision)
    let hidden = try model.shape(of: "\(stem)0.\(gate).weight", rank: 2)[0]
    let width = patches[0]
    // Every published EVA02-CLIP has heads of 64 channels, so nothing is assumed here.
    let heads = try notes.heads(
      asked: model.options.heads, recorded: max(1, width / 64), in: "EVA02", width: width)
    return Architecture(
      family: .eva02, embeddingSize: embedding,
      logitScale: try model.logitScale(logitScaleName, notes: &notes),
      vision: VisionTower(
        transformer: Transformer(
          width: width, layers: model.blockCount(stem), heads: heads, hiddenSize: hidden,
          activation: .silu, layerNormEpsilon: 1e-6, isGated: true, hasSubLayerNorm: true,
          hasKeyBias: model.has("\(stem)0.\(layerName(.key, .bias))")),
        patchSize: patches[2], nativeGrid: try model.nativeGrid(trunk + "pos_embed"),
        hasPatchBias: model.has(trunk + "patch_embed.proj.bias"), hasPreNorm: false,
        hasProjectionBias: model.has(trunk + "head.bias"),
        rotary: RotaryPositions(theta: 10_000, extent: 16)),
      text: try textTower(of: model, config, notes: &notes),
      preprocessing: try config?.preprocessing() ?? .clip)
  }

  private func textTower(
    of model: ForeignModel, _ config: OpenCLIPConfig?, notes: inout ImportNotes
  ) throws(DeclipError) -> TextTower? {
    guard model.has(textMark), !model.options.visionOnly else { return nil }
    let activation = try notes.activation(
      asked: model.options.activation, recorded: try config?.activation() ?? .gelu,
      in: config?.name ?? "EVA02", assumed: .gelu, because: "")
    return try text.tower(of: model, config: config, activation: activation)
  }
}
