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
    /// Of inputs, 7 or 8.
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
}
