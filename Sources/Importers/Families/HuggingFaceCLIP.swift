import Model

/// CLIP as Hugging Face's `transformers` writes it (`CLIPModel`, `CLIPVisionModelWithProjection`):
/// query, key and value apart, projections stored as `[embedding, width]`.
struct HuggingFaceCLIP: FamilyLayout {
  let name = "transformers-clip"
  let signature = [
    "vision_model.embeddings.class_embedding", "vision_model.embeddings.patch_embedding.weight",
  ]
  let textMark = "text_model.embeddings.token_embedding.weight"
  let textPrefixes = ["text_model.", "text_projection."]
  let usesNamedPadToken = true

  func blockStem(of tower: Tower) -> String { "\(tower.rawValue)_model.encoder.layers." }

  func isDerived(_ name: String) -> Bool { name.hasSuffix(".embeddings.position_ids") }

  func origin(of role: TensorRole) -> TensorOrigin {
    switch role {
    case .patchEmbedding(let parameter):
      TensorOrigin("vision_model.embeddings.patch_embedding.\(parameter.rawValue)")
    case .classToken: TensorOrigin("vision_model.embeddings.class_embedding")
    case .tokenEmbedding: TensorOrigin(textMark)
    case .positions(let tower):
      TensorOrigin("\(tower.rawValue)_model.embeddings.position_embedding.weight")
    // The library's own spelling.
    case .preNorm(let parameter): TensorOrigin("vision_model.pre_layrnorm.\(parameter.rawValue)")
    case .norm(.vision, let parameter):
      TensorOrigin("vision_model.post_layernorm.\(parameter.rawValue)")
    case .norm(.text, let parameter):
      TensorOrigin("text_model.final_layer_norm.\(parameter.rawValue)")
    case .projection(.vision, let parameter):
      TensorOrigin("visual_projection.\(parameter.rawValue)")
    case .projection(.text, let parameter):
      TensorOrigin("text_projection.\(parameter.rawValue)")
    case .block(let tower, let index, let layer, let parameter):
      TensorOrigin(
        "\(blockStem(of: tower))\(index).\(layerName(layer)).\(parameter.rawValue)")
    }
  }

  private func layerName(_ layer: BlockLayer) -> String {
    switch layer {
    case .norm1: "layer_norm1"
    case .query: "self_attn.q_proj"
    case .key: "self_attn.k_proj"
    case .value: "self_attn.v_proj"
    case .attentionOutput: "self_attn.out_proj"
    case .norm2: "layer_norm2"
    case .up: "mlp.fc1"
    case .down: "mlp.fc2"
    case .attentionNorm, .gate, .hiddenNorm: layer.rawValue
    }
  }

  func architecture(
    of model: ForeignModel, notes: inout ImportNotes
  ) throws(DeclipError) -> Architecture {
    let config = try HuggingFaceConfig.beside(model.source)
    let patches = try model.shape(
      of: "vision_model.embeddings.patch_embedding.weight", rank: 4)
    let projection = try model.shape(of: "visual_projection.weight", rank: 2)
    let width = patches[0]
    try config?.check(.vision, width: width)
    let activation = try activation(of: .vision, model, config, notes: &notes)
    let heads = try notes.heads(
      asked: model.options.heads, recorded: try config?.heads(of: .vision), in: config?.name,
      width: width)
    return Architecture(
      family: .clip, embeddingSize: projection[0],
      logitScale: try model.logitScale(logitScaleName, notes: &notes),
      vision: VisionTower(
        transformer: Transformer(
          width: width, layers: model.blockCount(blockStem(of: .vision)), heads: heads,
          hiddenSize: try hiddenSize(of: .vision, model), activation: activation,
          layerNormEpsilon: try config?.epsilon(of: .vision) ?? 1e-5),
        patchSize: patches[2],
        nativeGrid: try model.nativeGrid("vision_model.embeddings.position_embedding.weight"),
        hasPatchBias: model.has("vision_model.embeddings.patch_embedding.bias"),
        hasPreNorm: model.has("vision_model.pre_layrnorm.weight"),
        hasProjectionBias: model.has("visual_projection.bias"), rotary: nil),
      text: try text(of: model, config, notes: &notes),
      preprocessing: try HuggingFaceConfig.preprocessing(beside: model.source) ?? .clip)
  }

  private func text(
    of model: ForeignModel, _ config: HuggingFaceConfig?, notes: inout ImportNotes
  ) throws(DeclipError) -> TextTower? {
    guard model.has(textMark), !model.options.visionOnly else { return nil }
    let tokens = try model.shape(of: textMark, rank: 2)
    let width = tokens[1]
    try config?.check(.text, width: width)
    // The vision tower's notes already say where the activation comes from.
    var quiet = ImportNotes()
    let activation = try activation(
      of: .text, model, config, notes: &quiet)
    return TextTower(
      transformer: Transformer(
        width: width, layers: model.blockCount(blockStem(of: .text)),
        heads: try config?.heads(of: .text) ?? max(1, width / 64),
        hiddenSize: try hiddenSize(of: .text, model), activation: activation,
        layerNormEpsilon: try config?.epsilon(of: .text) ?? 1e-5),
      contextLength: try model.shape(
        of: "text_model.embeddings.position_embedding.weight", rank: 2)[0],
      vocabularySize: tokens[0], hasProjectionBias: model.has("text_projection.bias"),
      pooledToken: try config?.pooledToken(vocabularySize: tokens[0]))
  }

  private func activation(
    of tower: Tower, _ model: ForeignModel, _ config: HuggingFaceConfig?,
    notes: inout ImportNotes
  ) throws(DeclipError) -> Activation {
    try notes.activation(
      asked: model.options.activation, recorded: try config?.activation(of: tower),
      in: config?.name, assumed: .quickGELU,
      because: "assumed quick_gelu (OpenAI weights); fetch config.json beside the file, or pass"
        + " --activation gelu for most other weights")
  }

  private func hiddenSize(of tower: Tower, _ model: ForeignModel) throws(DeclipError) -> Int {
    try model.shape(of: blockStem(of: tower) + "0.mlp.fc1.weight", rank: 2)[0]
  }
}
