/// How a model is computed in integers: the part of a quantised file that says what its int8 tensors
/// mean.
///
/// A layer's weights are symmetric integers with a scale for each output channel,
/// `weight[o][i] = values[o][i] * scales[o]`; its input is quantised as `Input` says. Linear layers
/// of blocks that are not listed stay in float32.
public struct Quantization: Hashable, Sendable {
  /// The quantised layers, by the role of their weight.
  public var layers: [TensorRole: Layer]
  /// The attention of the vision tower's blocks, from the first on; empty where all are `narrow`.
  public var attention: [Attention]

  /// Makes a record of layers and attention.
  public init(layers: [TensorRole: Layer] = [:], attention: [Attention] = []) {
    self.layers = layers
    self.attention = attention
  }

  /// The integers that a block's attention multiplies, symmetric around zero.
  ///
  /// A decoupled aggregation, the last block's in any mode but `vanilla`, has `decoupled` ones.
  public struct Attention: Hashable, Sendable {
    /// The bits of queries and keys, 7, 8 or 13; every row has a scale of its own.
    public var scoreBits: Int
    /// The bits of values, 7, 8 or 12; every channel of a head has a scale of its own. Weights have as
    /// many bits as values of 7 or 8, and 13 for 12.
    public var valueBits: Int

    /// Makes a record of bits.
    public init(scoreBits: Int, valueBits: Int) {
      self.scoreBits = scoreBits
      self.valueBits = valueBits
    }

    /// Bytes of 7 bits.
    public static let slim = Attention(scoreBits: 7, valueBits: 7)
    /// Bytes.
    public static let narrow = Attention(scoreBits: 8, valueBits: 8)
    /// Words.
    public static let wide = Attention(scoreBits: 13, valueBits: 12)

    /// What a decoupled aggregation multiplies. One projection compared with itself has scores that
    /// spread further than bytes tell apart; of the network's last aggregation nothing is given away
    /// but for speed.
    public var decoupled: Attention {
      Attention(scoreBits: Self.wide.scoreBits, valueBits: valueBits == 7 ? 7 : Self.wide.valueBits)
    }
  }

  /// One quantised linear layer.
  public struct Layer: Hashable, Sendable {
    /// What weights hold: 8 bits are -127...127, 7 bits -63...63.
    public var weightBits: Int
    /// How the layer's input is quantised. Layers that read the same rows (query, key and value;
    /// gate and up) agree in it, but for those whose input stays in float.
    public var input: Input

    /// Makes a layer of 7 or 8 bits.
    public init(weightBits: Int, input: Input) {
      self.weightBits = weightBits
      self.input = input
    }
  }

  /// How rows of activations become unsigned integers.
  public enum Input: Hashable, Sendable {
    /// Each row has a scale of its own, chosen at run time from its largest magnitude; 7 bits are
    /// 0...127 with zero point 64, 8 bits 0...255 with zero point 128. Layers of the vision tower
    /// without a nonlinearity behind them, all but gate and up, can have 14 bits, 0...16383 with
    /// zero point 8192, or 15, 0...32767 with zero point 16384, for a second product of bytes.
    case perRow(bits: Int)
    /// One scale and zero point for all rows: `value = (integer - zeroPoint) * scale`, integers of
    /// `bits` bits, values beyond them clamped.
    case perTensor(scale: Float, zeroPoint: Int, bits: Int)
    /// Rows stay float32: weights alone are quantised, and multiply as `values * scales`. The only
    /// choice for text towers.
    case float

    /// 7, 8, 14 or 15; nil for rows that stay float32.
    public var bits: Int? {
      switch self {
      case .perRow(let bits), .perTensor(_, _, let bits): bits
      case .float: nil
      }
    }
  }
}

extension Quantization.Input: CustomStringConvertible {
  /// Such as `8 bits a row`, `7 bits, scale 0.02, zero point 61` and `float`.
  public var description: String {
    switch self {
    case .perRow(let bits): "\(bits) bits a row"
    case .perTensor(let scale, let zeroPoint, let bits):
      "\(bits) bits, scale \(scale), zero point \(zeroPoint)"
    case .float: "float"
    }
  }
}

extension Quantization.Layer: CustomStringConvertible {
  /// Such as `weights of 8 bits, input of 8 bits a row`.
  public var description: String { "weights of \(weightBits) bits, input of \(input)" }
}
