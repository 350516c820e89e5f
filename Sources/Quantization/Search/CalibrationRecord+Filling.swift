import Glibc
import Model
import Runtime

extension CalibrationRecord {
  /// The bins of a layer's histogram.
  private static let bins = 128
  /// The most outlier channels that are listed of a layer.
  private static let mostOutliers = 16

  /// Notes what was tried and what the chosen recipe costs.
  mutating func add(_ ladder: Ladder, size: InputSize, modes: [DenseMode]) {
    self.ladder = ladder.rungs.enumerated().map { index, rung in
      Rung(
        name: rung.name, cosine: rung.cosine, centredCosine: rung.centredCosine,
        isChosen: index == ladder.best)
    }
    objectives = modes.compactMap { mode in
      guard let damage = ladder.chosen?.damage[mode] else { return nil }
      return Objective(
        mode: mode.rawValue, height: size.height, width: size.width,
        cosine: damage.content.cosine, firstPercentile: damage.content.firstPercentile,
        centredCosine: damage.content.centredCosine, shift: damage.content.shift,
        contextError: damage.context, labelAgreement: damage.labelAgreement)
    }
  }

  /// Notes how every layer was quantised.
  ///
  /// Values and clip points are those that the layer reads, after a migration; outlier channels
  /// are those of the model before it. Throws what reading weights throws.
  mutating func add(
    _ quantizer: TowerQuantizer, _ tower: QuantizedTower, _ recipe: Recipe,
    sensitivities: [InputGroup: Double], pool: WorkerPool
  ) throws(DeclipError) {
    let choices = recipe.migrates ? try quantizer.migrationChoices() : [:]
    for group in quantizer.groups {
      guard let seen = quantizer.statistics[group] else { continue }
      let migration = choices[group]?.migration
      let statistics = MigratedStatistics(seen, migration)
      let histogram = migration == nil ? seen.histogram : statistics.histogram
      for weight in group.weights {
        let layer = tower.layers.layers[weight]
        var entry = Layer(
          name: weight.layerName, weightBits: layer?.weightBits, inputBits: layer?.input.bits,
          isPerRow: layer.map { $0.input.isPerRow } ?? false, method: recipe.inputs.method,
          rounding: recipe.rounding.rawValue, migration: choices[group]?.strength.map(Double.init),
          sensitivity: sensitivities[group])
        if layer?.input.bits == nil { entry.method = "float" }
        if entry.isPerRow { entry.method = Recipe.Inputs.perRow.method }
        if let layer {
          entry.signalToNoise = try signalToNoise(tower, weight, layer.input, statistics, pool)
        }
        entry.input = distribution(histogram, seen.channels, layer?.input)
        layers.append(entry)
      }
    }
  }

  /// The layer's output in float against its output from quantised rows and weights, without
  /// biases, in dB.
  private func signalToNoise(
    _ tower: QuantizedTower, _ weight: TensorRole, _ input: Quantization.Input,
    _ statistics: MigratedStatistics, _ pool: WorkerPool
  ) throws(DeclipError) -> Double? {
    let width = statistics.width
    let float = try tower.floats.values(weight)
    var quantized = [Float](repeating: 0, count: float.count)
    try quantized.withUnsafeMutableBufferPointer { buffer throws(DeclipError) in
      try tower.read(weight, into: buffer)
    }
    var ratio = SignalToNoise()
    ratio.add(
      expected: Matrix.product(of: statistics.rows, with: float, width: width, pool: pool),
      found: Matrix.product(
        of: input.simulated(statistics.rows, width: width), with: quantized, width: width,
        pool: pool))
    return ratio.decibels.isFinite ? ratio.decibels : nil
  }

  private func distribution(
    _ histogram: ActivationHistogram, _ channels: ChannelStatistics, _ input: Quantization.Input?
  ) -> Distribution {
    var clip: Range?
    var clippedShare = 0.0
    if case .perTensor(let scale, let zeroPoint, let bits)? = input {
      let low = -Float(zeroPoint) * scale
      let high = Float((1 << bits) - 1 - zeroPoint) * scale
      clip = Range(low: Double(low), high: Double(high))
      clippedShare = histogram.clipped(by: ActivationRange(low: low, high: high))
    }
    let magnitude = channels.magnitude
    let sorted = magnitude.sorted()
    let median = Double(sorted.dropFirst(sorted.count / 2).first ?? 0)
    let outliers = channels.outliers().sorted { (magnitude[$1], $0) < (magnitude[$0], $1) }
    return Distribution(
      minimum: Double(histogram.minimum), maximum: Double(histogram.maximum), clip: clip,
      clippedShare: clippedShare,
      histogram: histogram.coarse(
        Self.bins, low: histogram.minimum, high: histogram.maximum
      ).map { Int($0) },
      outlierChannels: outliers.prefix(Self.mostOutliers).compactMap { channel in
        guard median > 0 else { return nil }
        let size = Double(magnitude[channel])
        return OutlierChannel(channel: channel, magnitude: size, ratio: size / median)
      })
  }
}

extension Recipe.Inputs {
  /// As a record names it.
  var method: String {
    switch self {
    case .perRow: "per row"
    case .perTensor(let method): method.description
    }
  }
}

extension RangeMethod: CustomStringConvertible {
  /// As the command line and records name it.
  public var description: String {
    switch self {
    case .minMax: "minmax"
    case .percentile(let share): "percentile \(100 * share)"
    case .meanSquaredError: "mse"
    case .entropy: "entropy"
    }
  }
}

extension Quantization.Input {
  /// Whether each row has a scale of its own.
  var isPerRow: Bool { if case .perRow = self { true } else { false } }
}

extension TensorRole {
  /// The name of a weight's layer, such as `vision.block[3].mlp.up`.
  var layerName: String {
    description.hasSuffix(".weight") ? String(description.dropLast(".weight".count)) : description
  }
}
