/// How the scales of a quantised file were chosen, and what that cost: the JSON of the file's
/// optional section `calibration`.
///
/// Whoever calibrates fills it in; `declip-quant report` shows it. Nothing in it is needed to run
/// the file. Numbers are finite: JSON has no others, and where one does not exist it is absent.
/// Readers ignore keys that they do not know, so that keys may be added.
public struct CalibrationRecord: Codable, Hashable, Sendable {
  /// The options of the calibration as the user would give them, such as `rounding: gptq`.
  public var options: [String: String]
  /// The library that multiplied floats and the processor whose kernels it chose, such as
  /// `OpenBLAS 0.3.21 SkylakeX`; nil in files of older versions.
  public var arithmetic: String?
  /// The pictures that scales were fitted on.
  public var calibrationPictures: Int
  /// The pictures that objectives were measured on, none of them among the former.
  public var heldOutPictures: Int
  /// The pictures that could not be read and were passed over.
  public var skippedPictures: Int
  /// What quantisation cost on held-out pictures, an entry for each mode and input size measured.
  public var objectives: [Objective]
  /// What was tried, in the order of trial.
  public var ladder: [Rung]
  /// The linear layers in the order in which they are computed, those that stay in float included.
  public var layers: [Layer]

  /// Makes a record.
  public init(
    options: [String: String] = [:], arithmetic: String? = nil, calibrationPictures: Int,
    heldOutPictures: Int, skippedPictures: Int = 0, objectives: [Objective] = [],
    ladder: [Rung] = [],
    layers: [Layer] = []
  ) {
    self.options = options
    self.arithmetic = arithmetic
    self.calibrationPictures = calibrationPictures
    self.heldOutPictures = heldOutPictures
    self.skippedPictures = skippedPictures
    self.objectives = objectives
    self.ladder = ladder
    self.layers = layers
  }

  /// The damage in DeCLIP's own terms, quantised against float features.
  public struct Objective: Codable, Hashable, Sendable {
    /// The dense mode, such as `qq`.
    public var mode: String
    /// The input's rows in pixels.
    public var height: Int
    /// The input's columns in pixels.
    public var width: Int
    /// The mean cosine of dense features over tokens.
    public var cosine: Double
    /// The cosine that 1 % of tokens do not exceed.
    public var firstPercentile: Double
    /// The mean cosine after each side's mean token was taken away, picture by picture.
    public var centredCosine: Double
    /// The distance between both mean tokens in units of the token spread.
    public var shift: Double
    /// The mean row-wise L2 distance between both token-correlation matrices of context features.
    public var contextError: Double?
    /// The share of patches, 0 to 1, whose class stays the same; absent without a vocabulary.
    public var labelAgreement: Double?

    /// Makes an objective.
    public init(
      mode: String, height: Int, width: Int, cosine: Double, firstPercentile: Double,
      centredCosine: Double, shift: Double, contextError: Double? = nil,
      labelAgreement: Double? = nil
    ) {
      self.mode = mode
      self.height = height
      self.width = width
      self.cosine = cosine
      self.firstPercentile = firstPercentile
      self.centredCosine = centredCosine
      self.shift = shift
      self.contextError = contextError
      self.labelAgreement = labelAgreement
    }
  }

  /// One candidate that the search tried.
  public struct Rung: Codable, Hashable, Sendable {
    /// What was tried in a few words, such as `percentile 99.99, migration 0.5`.
    public var name: String
    /// The mean cosine of dense features that it reached.
    public var cosine: Double
    /// The centred one.
    public var centredCosine: Double
    /// The estimated time of a run relative to all layers in float; absent where not estimated.
    public var relativeTime: Double?
    /// Whether this is the one that the file holds.
    public var isChosen: Bool

    /// Makes a rung.
    public init(
      name: String, cosine: Double, centredCosine: Double, relativeTime: Double? = nil,
      isChosen: Bool = false
    ) {
      self.name = name
      self.cosine = cosine
      self.centredCosine = centredCosine
      self.relativeTime = relativeTime
      self.isChosen = isChosen
    }
  }
}

extension CalibrationRecord {
  /// One linear layer.
  public struct Layer: Codable, Hashable, Sendable {
    /// The role of its weight without `.weight`, such as `vision.block[3].attention.query`.
    public var name: String
    /// 7 or 8; absent where the layer stays in float.
    public var weightBits: Int?
    /// 7, 8, 14 or 15; absent where the layer stays in float, or only its weights are integers.
    public var inputBits: Int?
    /// Whether each row of the input has a scale of its own, chosen at run time.
    public var isPerRow: Bool
    /// How the input's range was chosen, such as `percentile 99.99`; `per row` where it was not.
    public var method: String
    /// How weights were rounded, such as `nearest` or `gptq`.
    public var rounding: String
    /// The strength, 0 to 1, with which outliers were moved into the weights; absent without.
    public var migration: Double?
    /// The layer's signal-to-noise ratio in dB: its output in float against its output with
    /// quantised weights and input; absent where there is no noise.
    public var signalToNoise: Double?
    /// 1 - cosine of the dense features with only this layer quantised; absent where not measured.
    public var sensitivity: Double?
    /// The values of its input over calibration pictures; absent where not observed.
    public var input: Distribution?

    /// Makes a layer.
    public init(
      name: String, weightBits: Int?, inputBits: Int?, isPerRow: Bool, method: String,
      rounding: String, migration: Double? = nil, signalToNoise: Double? = nil,
      sensitivity: Double? = nil, input: Distribution? = nil
    ) {
      self.name = name
      self.weightBits = weightBits
      self.inputBits = inputBits
      self.isPerRow = isPerRow
      self.method = method
      self.rounding = rounding
      self.migration = migration
      self.signalToNoise = signalToNoise
      self.sensitivity = sensitivity
      self.input = input
    }
  }

  /// The values of an activation over all calibration pictures.
  public struct Distribution: Codable, Hashable, Sendable {
    /// The smallest value seen.
    public var minimum: Double
    /// The largest value seen.
    public var maximum: Double
    /// The range that integers cover; values beyond it are clipped. Absent where each row has its
    /// own.
    public var clip: Range?
    /// The share of values, 0 to 1, beyond the clip range.
    public var clippedShare: Double
    /// Counts of values in bins of equal width from `minimum` to `maximum`; at most 4096.
    public var histogram: [Int]
    /// The channels with the largest magnitudes, the largest first.
    public var outlierChannels: [OutlierChannel]

    /// Makes a distribution.
    public init(
      minimum: Double, maximum: Double, clip: Range?, clippedShare: Double, histogram: [Int],
      outlierChannels: [OutlierChannel] = []
    ) {
      self.minimum = minimum
      self.maximum = maximum
      self.clip = clip
      self.clippedShare = clippedShare
      self.histogram = histogram
      self.outlierChannels = outlierChannels
    }
  }

  /// A range of real values.
  public struct Range: Codable, Hashable, Sendable {
    /// The lower end.
    public var low: Double
    /// The upper end, above the lower.
    public var high: Double

    /// Makes a range.
    public init(low: Double, high: Double) {
      self.low = low
      self.high = high
    }
  }

  /// A channel of an activation that owns much of its range.
  public struct OutlierChannel: Codable, Hashable, Sendable {
    /// The channel's number.
    public var channel: Int
    /// Its largest magnitude.
    public var magnitude: Double
    /// That magnitude in units of the median channel's.
    public var ratio: Double

    /// Makes an outlier channel.
    public init(channel: Int, magnitude: Double, ratio: Double) {
      self.channel = channel
      self.magnitude = magnitude
      self.ratio = ratio
    }
  }
}
