import Model

/// CLIP as OpenAI published it and OpenCLIP writes it: `visual.conv1`, fused `in_proj` weights,
/// projections stored as `[width, embedding]`.
struct OpenCLIP: FamilyLayout {
  let text: OpenCLIPText

  var name: String { text.prefix.isEmpty ? "openclip" : "openclip-custom-text" }
  var signature: [String] {
    ["visual.class_embedding", "visual.transformer.resblocks.0.attn.in_proj_weight"]
      + (text.prefix.isEmpty ? [] : [textMark])
  }
  var textMark: String { text.mark }
  var textPrefixes: [String] { text.namePrefixes }
  var usesNamedPadToken: Bool { false }

  func blockStem(of tower: Tower) -> String {
    tower == .vision ? "visual.transformer.resblocks." : text.blockStem
  }

  func isDerived(_ name: String) -> Bool {
    // OpenAI's archives also store three sizes as scalars.
    text.isDerived(name) || ["input_resolution", "context_length", "vocab_size"].contains(name)
  }

  func origin(of role: TensorRole) -> TensorOrigin {
    switch role {
    case .patchEmbedding(let parameter): TensorOrigin("visual.conv1.\(parameter.rawValue)")
    case .classToken: TensorOrigin("visual.class_embedding")
    case .positions(.vision): TensorOrigin("visual.positional_embedding")
    case .preNorm(let parameter): TensorOrigin("visual.ln_pre.\(parameter.rawValue)")
    case .norm(.vision, let parameter): TensorOrigin("visual.ln_post.\(parameter.rawValue)")
    case .projection(.vision, _): TensorOrigin("visual.proj", .transposed)
    case .block(.vision, let index, let layer, let parameter):
      OpenCLIPBlock.origin("\(blockStem(of: .vision))\(index).", layer, parameter)
    case .tokenEmbedding, .positions(.text), .norm(.text, _), .projection(.text, _),
      .block(.text, _, _, _):
      text.origin(of: role)
    }
  }

  func architecture(
    of model: ForeignModel, notes: inout ImportNotes
  ) throws(DeclipError) -> Architecture {
    let config = try OpenCLIPConfig.beside(model.source)
    try config?.checkVision()
    let patches = try model.shape(of: "visual.conv1.weight", rank: 4)
    let projection = try model.shape(of: "visual.proj", rank: 2)
    let hidden = try model.shape(of: blockStem(of: .vision) + "0.mlp.c_fc.weight", rank: 2)[0]
    let width = patches[0]
    let activation = try notes.activation(
      asked: model.options.activation, recorded: try config?.activation(), in: config?.name,
      assumed: .quickGELU,
      because: "assumed quick_gelu (OpenAI weights); most OpenCLIP weights use gelu: pass"
        + " --activation gelu")
    let heads = try notes.heads(
      asked: model.options.heads, recorded: try config?.visionHeads(width: width),
      in: config?.name, width: width)
    return Architecture(
      family: .clip, embeddingSize: projection[1],
      logitScale: try model.logitScale(logitScaleName, notes: &notes),
      vision: VisionTower(
        transformer: Transformer(
          width: width, layers: model.blockCount(blockStem(of: .vision)), heads: heads,
          hiddenSize: hidden, activation: activation,
          layerNormEpsilon: try config?.visionEpsilon() ?? 1e-5),
        patchSize: patches[2],
        nativeGrid: try model.nativeGrid("visual.positional_embedding"),
        hasPatchBias: model.has("visual.conv1.bias"),
        hasPreNorm: model.has("visual.ln_pre.weight"), hasProjectionBias: false, rotary: nil),
      text: try text.tower(of: model, config: config, activation: activation),
      preprocessing: try config?.preprocessing() ?? .clip)
  }
}
