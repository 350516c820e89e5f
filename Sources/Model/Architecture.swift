/// What a model computes, as a value without weights: everything that the plans, the tensor
/// shapes and the preprocessing follow from.
public struct Architecture: Codable, Hashable, Sendable {
  /// The family whose block structure the vision tower follows.
  public var family: Family
  /// The size of the space that pictures and texts share (`E`).
  public var embeddingSize: Int
  /// The factor on cosines before a softmax over classes; the exponential of the trained
  /// `logit_scale`, 100 in released models.
  public var logitScale: Float
  /// The vision tower.
  public var vision: VisionTower
  /// The text tower; nil in files for use with precomputed class embeddings.
  public var text: TextTower?
  /// How pixels become the vision tower's input.
  public var preprocessing: Preprocessing

  /// Makes an architecture from its parts.
  public init(
    family: Family, embeddingSize: Int, logitScale: Float, vision: VisionTower, text: TextTower?,
    preprocessing: Preprocessing
  ) {
    self.family = family
    self.embeddingSize = embeddingSize
    self.logitScale = logitScale
    self.vision = vision
    self.text = text
    self.preprocessing = preprocessing
  }
}

/// A family of vision towers that share one block structure and one definition of dense features.
public enum Family: String, Codable, Hashable, Sendable, CaseIterable {
  /// OpenAI CLIP and OpenCLIP: pre-LN blocks, LayerNorm before the first block.
  case clip
  /// EVA02-CLIP, and DeCLIP or CLIPSelf fine-tuned from it: sub-LN, SwiGLU, rotary positions.
  case eva02
}

/// A stack of pre-LN transformer blocks.
public struct Transformer: Codable, Hashable, Sendable {
  /// The size of a token (`D`).
  public var width: Int
  /// The number of blocks.
  public var layers: Int
  /// Attention heads; `width` is a multiple of it.
  public var heads: Int
  /// The inner size of the feed-forward network.
  public var hiddenSize: Int
  /// The feed-forward network's nonlinearity.
  public var activation: Activation
  /// The epsilon of every LayerNorm.
  public var layerNormEpsilon: Float
  /// Whether the feed-forward network is `down(activation(gate(x)) * up(x))`, as in SwiGLU.
  public var isGated: Bool
  /// Whether attention's and the feed-forward network's inner results are normalised (sub-LN).
  public var hasSubLayerNorm: Bool
  /// Whether the key projection has a bias; query and value always have one.
  public var hasKeyBias: Bool

  /// The size of one head (`d`).
  public var headSize: Int { width / heads }

  /// Makes a transformer description from its parts.
  public init(
    width: Int, layers: Int, heads: Int, hiddenSize: Int, activation: Activation,
    layerNormEpsilon: Float, isGated: Bool = false, hasSubLayerNorm: Bool = false,
    hasKeyBias: Bool = true
  ) {
    self.width = width
    self.layers = layers
    self.heads = heads
    self.hiddenSize = hiddenSize
    self.activation = activation
    self.layerNormEpsilon = layerNormEpsilon
    self.isGated = isGated
    self.hasSubLayerNorm = hasSubLayerNorm
    self.hasKeyBias = hasKeyBias
  }
}

/// A feed-forward nonlinearity.
public enum Activation: String, Codable, Hashable, Sendable, CaseIterable {
  /// `x * sigmoid(1.702 x)`, used by OpenAI's weights.
  case quickGELU = "quick_gelu"
  /// `x * Phi(x)` with the exact normal distribution function.
  case gelu
  /// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, the usual approximation of the former.
  case geluTanh = "gelu_tanh"
  /// `x * sigmoid(x)`, the gate of SwiGLU.
  case silu
}

/// The vision tower: patch embedding, class token, positions, blocks, final norm, projection.
public struct VisionTower: Codable, Hashable, Sendable {
  /// The blocks.
  public var transformer: Transformer
  /// The side of a square patch in pixels.
  public var patchSize: Int
  /// The grid of patches that the position table was trained on.
  public var nativeGrid: Grid
  /// Whether the patch embedding has a bias.
  public var hasPatchBias: Bool
  /// Whether tokens are normalised before the first block (CLIP's `ln_pre`).
  public var hasPreNorm: Bool
  /// Whether the projection to the shared space has a bias.
  public var hasProjectionBias: Bool
  /// Rotary positions applied to query and key of ordinary attention; nil where there are none.
  public var rotary: RotaryPositions?
  /// The dense mode that the model was exported for, where the last block has only the layers
  /// that this mode computes with; nil where the block is whole.
  public var exportedMode: DenseMode?

  /// Makes a vision tower description from its parts.
  public init(
    transformer: Transformer, patchSize: Int, nativeGrid: Grid, hasPatchBias: Bool,
    hasPreNorm: Bool, hasProjectionBias: Bool, rotary: RotaryPositions?,
    exportedMode: DenseMode? = nil
  ) {
    self.transformer = transformer
    self.patchSize = patchSize
    self.nativeGrid = nativeGrid
    self.hasPatchBias = hasPatchBias
    self.hasPreNorm = hasPreNorm
    self.hasProjectionBias = hasProjectionBias
    self.rotary = rotary
    self.exportedMode = exportedMode
  }
}

/// Two-dimensional rotary positions (RoPE): the first half of a head encodes the row, the second
/// the column; neighbours `2i, 2i+1` rotate by `position * theta^(-2i / (d/2))`.
public struct RotaryPositions: Codable, Hashable, Sendable {
  /// The base of the frequencies, 10000.
  public var theta: Float
  /// The extent that positions along either axis are scaled to: patch `j` of `n` stands at
  /// `extent * j / n`.
  public var extent: Float

  /// Makes rotary positions from their constants.
  public init(theta: Float, extent: Float) {
    self.theta = theta
    self.extent = extent
  }
}

/// A grid of patches.
public struct Grid: Codable, Hashable, Sendable {
  /// Patches from top to bottom.
  public var rows: Int
  /// Patches from left to right.
  public var columns: Int

  /// The number of patches.
  public var count: Int { rows * columns }

  /// Makes a grid.
  public init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
  }
}

/// The text tower: token embedding, positions, causal blocks, final norm, projection.
public struct TextTower: Codable, Hashable, Sendable {
  /// The blocks.
  public var transformer: Transformer
  /// The longest sequence, start and end tokens included.
  public var contextLength: Int
  /// The number of token ids.
  public var vocabularySize: Int
  /// Whether the projection to the shared space has a bias.
  public var hasProjectionBias: Bool
  /// The token id at whose first place a text is pooled; nil pools at the highest id, which is
  /// the end token in every released model.
  public var pooledToken: Int?

  /// Makes a text tower description from its parts.
  public init(
    transformer: Transformer, contextLength: Int, vocabularySize: Int, hasProjectionBias: Bool,
    pooledToken: Int? = nil
  ) {
    self.transformer = transformer
    self.contextLength = contextLength
    self.vocabularySize = vocabularySize
    self.hasProjectionBias = hasProjectionBias
    self.pooledToken = pooledToken
  }
}

/// How pixels become the input of a vision tower: `(value / 255 - mean) / deviation`.
public struct Preprocessing: Codable, Hashable, Sendable {
  /// The mean of red, green and blue, on a scale of 0 to 1.
  public var mean: [Float]
  /// The standard deviation of red, green and blue, on the same scale.
  public var deviation: [Float]

  /// Makes preprocessing constants; both arrays hold three values.
  public init(mean: [Float], deviation: [Float]) {
    self.mean = mean
    self.deviation = deviation
  }

  /// The constants of CLIP, OpenCLIP and EVA02-CLIP.
  public static let clip = Preprocessing(
    mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
    deviation: [0.268_629_54, 0.261_302_58, 0.275_777_11])
}
