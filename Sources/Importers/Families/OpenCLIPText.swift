import Model

/// The text tower as OpenAI's CLIP and OpenCLIP name it, which EVA02-CLIP shares.
struct OpenCLIPText {
  /// What every name of the tower begins with: nothing, or `text.` in models of separate towers.
  let prefix: String

  static let plain = OpenCLIPText(prefix: "")
  static let custom = OpenCLIPText(prefix: "text.")

  /// The name that is there exactly when the file has the tower.
  var mark: String { prefix + "token_embedding.weight" }

  /// What the names of the tower begin with.
  var namePrefixes: [String] {
    guard prefix.isEmpty else { return [prefix] }
    return ["token_embedding.", "positional_embedding", "transformer.", "ln_final."]
      + ["text_projection"]
  }

  /// What the names of the blocks begin with.
  var blockStem: String { prefix + "transformer.resblocks." }

  /// Whether a tensor is the causal mask, which follows from the context length.
  func isDerived(_ name: String) -> Bool { name == prefix + "attn_mask" }

  /// The foreign tensor of a role of the text tower.
  func origin(of role: TensorRole) -> TensorOrigin {
    switch role {
    case .tokenEmbedding: TensorOrigin(mark)
    case .positions: TensorOrigin(prefix + "positional_embedding")
    case .norm(_, let parameter): TensorOrigin(prefix + "ln_final.\(parameter.rawValue)")
    case .projection: TensorOrigin(prefix + "text_projection", .transposed)
    case .block(_, let index, let layer, let parameter):
      OpenCLIPBlock.origin("\(blockStem)\(index).", layer, parameter)
    case .patchEmbedding, .classToken, .preNorm: TensorOrigin("")
    }
  }

  /// Describes the tower from its shapes; nil where the file has none or it is not wanted.
  ///
  /// Heads are those of the configuration, else of size 64.
  func tower(
    of model: ForeignModel, config: OpenCLIPConfig?, activation: Activation
  ) throws(DeclipError) -> TextTower? {
    guard model.has(mark), !model.options.visionOnly else { return nil }
    try config?.checkText()
    let tokens = try model.shape(of: mark, rank: 2)
    let context = try model.shape(of: prefix + "positional_embedding", rank: 2)[0]
    let hidden = try model.shape(of: blockStem + "0.mlp.c_fc.weight", rank: 2)[0]
    let width = tokens[1]
    return TextTower(
      transformer: Transformer(
        width: width, layers: model.blockCount(blockStem),
        heads: try config?.textHeads(width: width) ?? max(1, width / 64), hiddenSize: hidden,
        activation: activation, layerNormEpsilon: try config?.textEpsilon() ?? 1e-5),
      contextLength: context, vocabularySize: tokens[0], hasProjectionBias: false)
  }
}

/// A residual attention block as OpenAI's CLIP names it, in either tower.
enum OpenCLIPBlock {
  /// The foreign tensor of a layer; `stem` is the block's name with a dot.
  static func origin(
    _ stem: String, _ layer: BlockLayer, _ parameter: Parameter
  ) -> TensorOrigin {
    let end = "." + parameter.rawValue
    let fused = stem + "attn.in_proj_" + parameter.rawValue
    return switch layer {
    case .norm1: TensorOrigin(stem + "ln_1" + end)
    case .query: TensorOrigin(fused, .third(0))
    case .key: TensorOrigin(fused, .third(1))
    case .value: TensorOrigin(fused, .third(2))
    case .attentionOutput: TensorOrigin(stem + "attn.out_proj" + end)
    case .norm2: TensorOrigin(stem + "ln_2" + end)
    case .up: TensorOrigin(stem + "mlp.c_fc" + end)
    case .down: TensorOrigin(stem + "mlp.c_proj" + end)
    case .attentionNorm, .gate, .hiddenNorm: TensorOrigin(stem + layer.rawValue + end)
    }
  }
}
