import Model

/// How the layers of a tower are quantised: what a rung of the ladder, or a method that a user
/// chose, comes to.
public struct Recipe: Hashable, Sendable {
  /// How weights become integers.
  public enum Rounding: String, Hashable, Sendable, Codable, CaseIterable {
    /// Each to the nearest.
    case nearest
    /// With the error of each made up for by those after it.
    case gptq
  }

  /// How inputs become integers.
  public enum Inputs: Hashable, Sendable {
    /// With a scale for each row, chosen at run time.
    case perRow
    /// With one scale for all rows, chosen from calibration pictures.
    case perTensor(RangeMethod)
  }

  /// The bits of one group of layers.
  public struct Bits: Hashable, Sendable, Codable {
    /// Of weights, 7 or 8.
    public var weights: Int
    /// Of inputs, 7 or 8, or 14 or 15 of groups that can have them (`InputGroup.canBeWide`).
    public var inputs: Int

    /// Makes widths.
    public init(weights: Int, inputs: Int) {
      self.weights = weights
      self.inputs = inputs
    }
  }

  /// How inputs become integers.
  public var inputs: Inputs
  /// How scales of weights are chosen.
  public var weightRange: WeightRange
  /// How weights are rounded.
  public var rounding: Rounding
  /// Whether scales and offsets of channels are moved into what precedes them.
  public var migrates: Bool
  /// Whether biases make up for the mean error of their layer.
  public var correctsBias: Bool
  /// The bits of groups that are not in `bits`.
  public var defaultBits: Bits
  /// The bits of single groups.
  public var bits: [InputGroup: Bits] = [:]
  /// Groups whose inputs stay in float; their weights are integers all the same, whose error is a
  /// fraction of an input's.
  public var floats: Set<InputGroup> = []
  /// Parts of attention that multiply words; all others multiply bytes.
  public var wideAttention: Set<AttentionPart> = []
  /// Whether those bytes have 7 bits.
  public var slimsAttention = false

  /// Makes a recipe for 8 bits throughout.
  public init(
    inputs: Inputs, weightRange: WeightRange = .minMax, rounding: Rounding = .nearest,
    migrates: Bool = false, correctsBias: Bool = false,
    defaultBits: Bits = Bits(weights: 8, inputs: 8)
  ) {
    self.inputs = inputs
    self.weightRange = weightRange
    self.rounding = rounding
    self.migrates = migrates
    self.correctsBias = correctsBias
    self.defaultBits = defaultBits
  }

  /// The bits of a group.
  public func bits(of group: InputGroup) -> Bits { bits[group] ?? defaultBits }

  /// The attention of a tower's blocks; empty where all of it multiplies bytes of 8 bits.
  func attention(blocks: Int) -> [Quantization.Attention] {
    guard slimsAttention || !wideAttention.isEmpty else { return [] }
    let wide = Quantization.Attention.wide
    let narrow = slimsAttention ? Quantization.Attention.slim : .narrow
    return (0..<blocks).map { block in
      func isWide(_ kind: AttentionPart.Kind) -> Bool {
        wideAttention.contains(AttentionPart(block: block, kind: kind))
      }
      return Quantization.Attention(
        scoreBits: isWide(.scores) ? wide.scoreBits : narrow.scoreBits,
        valueBits: isWide(.values) ? wide.valueBits : narrow.valueBits)
    }
  }
}

/// A product whose operands can have more bits than those of all others.
enum WideProduct: Hashable, Comparable {
  /// One of attention's.
  case attention(AttentionPart)
  /// Those of layers that read the same rows.
  case layers(InputGroup)
}

extension Recipe {
  /// Gives a product's operands more bits.
  mutating func widen(_ product: WideProduct) {
    switch product {
    case .attention(let part): wideAttention.insert(part)
    case .layers(let group): bits[group] = .init(weights: bits(of: group).weights, inputs: 15)
    }
  }

  /// The products that have more bits than all others.
  var wideProducts: Int { wideAttention.count + bits.values.count { $0.inputs > 8 } }
}

/// One of the two products of a block's attention.
public struct AttentionPart: Hashable, Sendable, Comparable {
  /// Which product.
  public enum Kind: Int, Hashable, Sendable, CaseIterable {
    /// Of queries and keys.
    case scores
    /// Of weights and values.
    case values
  }

  /// The block.
  public let block: Int
  /// The product.
  public let kind: Kind

  /// The parts of all blocks.
  static func all(blocks: Int) -> [AttentionPart] {
    (0..<blocks).flatMap { block in Kind.allCases.map { AttentionPart(block: block, kind: $0) } }
  }

  /// The order in which a model computes.
  public static func < (a: AttentionPart, b: AttentionPart) -> Bool {
    (a.block, a.kind.rawValue) < (b.block, b.kind.rawValue)
  }
}
