/// What a tensor is for, whatever a foreign file calls it.
public enum TensorRole: Hashable, Sendable {
  /// The convolution that embeds patches; weight `[width, 3, patch, patch]`.
  case patchEmbedding(Parameter)
  /// The class token, `[width]`.
  case classToken
  /// The embedding of token ids, `[vocabulary, width]`.
  case tokenEmbedding
  /// Learned positions: `[1 + patches, width]` with the class token first, or `[context, width]`.
  case positions(Tower)
  /// The LayerNorm before the first block, `[width]`.
  case preNorm(Parameter)
  /// A tensor of block `index` of a tower.
  case block(Tower, index: Int, BlockLayer, Parameter)
  /// The LayerNorm after the last block, `[width]`.
  case norm(Tower, Parameter)
  /// The projection to the shared space; weight `[embedding, width]`.
  case projection(Tower, Parameter)
}

/// One of a model's two encoders.
public enum Tower: String, Hashable, Sendable {
  /// The encoder of pictures.
  case vision
  /// The encoder of texts.
  case text
}

/// One of the tensors of an affine map.
public enum Parameter: String, Hashable, Sendable {
  /// The matrix `[out, in]` of a linear layer, or the gain of a norm.
  case weight
  /// The vector that is added.
  case bias
  /// The scale of each output channel of a weight in int8, as `Quantization` describes.
  case scales
}

/// A layer of a transformer block.
public enum BlockLayer: String, Hashable, Sendable, CaseIterable {
  /// The LayerNorm before attention.
  case norm1
  /// The query projection.
  case query = "attention.query"
  /// The key projection.
  case key = "attention.key"
  /// The value projection.
  case value = "attention.value"
  /// The LayerNorm of the aggregated values (sub-LN).
  case attentionNorm = "attention.norm"
  /// The projection of the aggregated values.
  case attentionOutput = "attention.output"
  /// The LayerNorm before the feed-forward network.
  case norm2
  /// The feed-forward network's gate, where it is gated.
  case gate = "mlp.gate"
  /// The feed-forward network's first linear layer.
  case up = "mlp.up"
  /// The LayerNorm of the feed-forward network's inner result (sub-LN).
  case hiddenNorm = "mlp.norm"
  /// The feed-forward network's last linear layer.
  case down = "mlp.down"
}

extension TensorRole: CustomStringConvertible {
  /// The canonical name, such as `vision.block[3].attention.query.weight`.
  public var description: String {
    switch self {
    case .patchEmbedding(let parameter): "vision.patchEmbedding.\(parameter.rawValue)"
    case .classToken: "vision.classToken"
    case .tokenEmbedding: "text.tokenEmbedding"
    case .positions(let tower): "\(tower.rawValue).positions"
    case .preNorm(let parameter): "vision.preNorm.\(parameter.rawValue)"
    case .block(let tower, let index, let layer, let parameter):
      "\(tower.rawValue).block[\(index)].\(layer.rawValue).\(parameter.rawValue)"
    case .norm(let tower, let parameter): "\(tower.rawValue).norm.\(parameter.rawValue)"
    case .projection(let tower, let parameter):
      "\(tower.rawValue).projection.\(parameter.rawValue)"
    }
  }
}

extension TensorRole {
  /// The encoder that the tensor belongs to.
  public var tower: Tower {
    switch self {
    case .patchEmbedding, .classToken, .preNorm: .vision
    case .tokenEmbedding: .text
    case .positions(let tower), .block(let tower, _, _, _), .norm(let tower, _),
      .projection(let tower, _):
      tower
    }
  }
}
