import Model

/// What a user asks of a calibration.
public struct CalibrationOptions: Hashable, Sendable {
  /// How inputs of layers are quantised.
  public enum Method: Hashable, Sendable {
    /// The best rung of the ladder.
    case auto
    /// With a scale for each row, chosen at run time.
    case perRow
    /// With one scale for all rows.
    case perTensor(RangeMethod)
  }

  /// What single layers' bits are chosen for.
  public enum Preference: String, Hashable, Sendable, CaseIterable {
    /// 7 bits for attention, and for inputs and weights of layers, wherever the features stay within
    /// `QualityBars.fast`.
    case speed
    /// At least 8 bits throughout, and more for what is worth most where features do not stay within
    /// `QualityBars.strict`. Weights keep to `QuantizedMatrix.pairLimit`, by which every processor
    /// multiplies them as fast as it can.
    case balance
    /// The same with weights over their whole range, which costs half of the speed where a processor
    /// has AVX2 and no VNNI, and nothing elsewhere.
    case fidelity
  }

  /// How inputs of layers are quantised.
  public var method: Method
  /// How weights are rounded; nil tries both with `auto` and rounds to the nearest otherwise.
  public var rounding: Recipe.Rounding?
  /// Whether scales and offsets of channels may be moved into what precedes them; nil tries it
  /// with `auto` and does not otherwise.
  public var smoothing: Bool?
  /// What single layers' bits are chosen for.
  public var prefer: Preference
  /// The mean cosine of dense features to reach by leaving layers in float; nil leaves none.
  public var target: Double?
  /// The number that every random choice follows from.
  public var seed: UInt64

  /// Makes options.
  public init(
    method: Method = .auto, rounding: Recipe.Rounding? = nil, smoothing: Bool? = nil,
    prefer: Preference = .balance, target: Double? = nil, seed: UInt64 = 1
  ) {
    self.method = method
    self.rounding = rounding
    self.smoothing = smoothing
    self.prefer = prefer
    self.target = target
    self.seed = seed
  }
}

/// How far features may move for the sake of speed.
public struct QualityBars: Hashable, Sendable {
  /// The least mean cosine.
  public var cosine: Double
  /// The least first percentile of cosines.
  public var firstPercentile: Double
  /// The least mean centred cosine.
  public var centredCosine: Double
  /// The largest shift of the mean token.
  public var shift: Double
  /// The least share of patches that keep their class.
  public var labelAgreement: Double

  /// What may be given away for speed: half of what features may lose and still be of use (cosine
  /// 0.998, centred 0.99, labels 98 %).
  public static let fast = QualityBars(
    cosine: 0.999, firstPercentile: 0.98, centredCosine: 0.995, shift: 0.1, labelAgreement: 0.99)

  /// Half of what a quantised model may lose at all (cosine 0.9995, centred 0.998, shift 0.05): the
  /// pictures that a choice is made by are not those that it is used on.
  public static let standard = QualityBars(
    cosine: 0.999_75, firstPercentile: 0.998_2, centredCosine: 0.999, shift: 0.03,
    labelAgreement: 0.996)

  /// Where nothing is given away for speed: pictures unlike the held-out ones were seen to have three
  /// times as large an error in their worst tokens, of which 0.002 may be lost.
  public static let strict = QualityBars(
    cosine: 0.999_75, firstPercentile: 0.999_4, centredCosine: 0.999, shift: 0.03,
    labelAgreement: 0.996)

  /// Whether all modes' damage is within the bars.
  public func hold(for damage: [DenseMode: Damage]) -> Bool {
    damage.values.allSatisfy {
      $0.content.cosine >= cosine && $0.content.firstPercentile >= firstPercentile
        && $0.content.centredCosine >= centredCosine && $0.content.shift <= shift
        && ($0.labelAgreement ?? 1) >= labelAgreement
    }
  }
}
