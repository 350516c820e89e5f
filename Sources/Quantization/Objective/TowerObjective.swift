import Model
import Runtime

/// The damage that quantisation did to one mode's features.
public struct Damage: Hashable, Sendable, Codable {
  /// Of dense features.
  public var content: ContentError
  /// Of the correlations of context features; nil where the mode's plan has none.
  public var context: Double?
  /// The share of patches that keep their class; nil without a vocabulary.
  public var labelAgreement: Double?

  /// One number to compare by: `(1 - cosine) + (1 - centred cosine) + shift^2 / 2 + 0.1 context^2
  /// + 0.1 (1 - first percentile)`.
  ///
  /// Content and context weigh 1 and 0.1, as in DeCLIP's learning objective; shift and context are
  /// squared because they are lengths, and `1 - cosine` half the square of one. The worst tokens,
  /// those whose attention tips over, count for more than their number.
  public var loss: Double {
    (1 - content.cosine) + (1 - content.centredCosine) + content.shift * content.shift / 2
      + 0.1 * (context ?? 0) * (context ?? 0) + 0.1 * (1 - content.firstPercentile)
  }
}

/// Measures quantised towers against the float tower on held-out pictures.
///
/// Holds the float tower's features of all its pictures, which therefore should be few. Used by one
/// thread at a time.
public final class TowerObjective {
  /// The modes that are measured, in order.
  public let modes: [DenseMode]
  private let pictures: any PictureInputs
  private let plans: [Plan]
  private let embeddings: [Float]
  private let pool: WorkerPool
  private let kernels: Kernels
  /// The tokens of a picture, class token included.
  var rows: Int { plans.first?.rows ?? 0 }
  /// The float features, a dictionary for each mode and picture.
  private let expected: [[[VisionOutput: [Float]]]]

  /// Computes the float features of `pictures`.
  ///
  /// `embeddings` are normalised class embeddings `[classes, embedding]`, or empty. Throws what
  /// planning, reading pictures and weights throw.
  public init(
    _ source: some WeightSource, pictures: some PictureInputs, modes: [DenseMode],
    embeddings: [Float], pool: WorkerPool, kernels: Kernels
  ) throws(DeclipError) {
    self.modes = modes
    self.pictures = pictures
    self.embeddings = embeddings
    self.pool = pool
    self.kernels = kernels
    var plans: [Plan] = []
    for mode in modes {
      let hasContext =
        source.architecture.vision.exportedMode?.projections.contains(.query) ?? true
      plans.append(
        try Plan.vision(
          source.architecture, input: pictures.size, mode: mode,
          outputs: hasContext ? [.dense, .context] : [.dense]))
    }
    self.plans = plans
    let weights = try FloatWeights(source, for: plans, pool: pool)
    var expected: [[[VisionOutput: [Float]]]] = []
    for plan in plans {
      let engine = try FloatEngine(plan: plan, weights: weights, pool: pool, kernels: kernels)
      var features: [[VisionOutput: [Float]]] = []
      for index in 0..<pictures.count {
        features.append(try Self.features(engine, pictures, index))
      }
      expected.append(features)
    }
    self.expected = expected
  }

  /// The damage of a quantised tower in every mode; of the first `limit` pictures where given, and
  /// in the modes named.
  ///
  /// Throws what engines throw.
  public func damage(
    of tower: some WeightSource, modes wanted: [DenseMode]? = nil, pictures limit: Int? = nil
  ) throws(DeclipError) -> [DenseMode: Damage] {
    let chosen = modes.indices.filter { wanted?.contains(modes[$0]) ?? true }
    var plans: [Plan] = []
    for index in chosen {
      // The tower's own architecture: keys may have got a bias.
      plans.append(
        try Plan.vision(
          tower.architecture, input: pictures.size, mode: modes[index],
          outputs: self.plans[index].slots.contains(.context) ? [.dense, .context] : [.dense]))
    }
    let weights = try Int8Weights(tower, for: plans, pool: pool, kernels: kernels)
    var result: [DenseMode: Damage] = [:]
    for (place, index) in chosen.enumerated() {
      let engine = try Int8Engine(
        plan: plans[place], weights: weights, pool: pool, kernels: kernels)
      result[modes[index]] = try damage(engine, index, limit: limit)
    }
    return result
  }

  private func damage(
    _ engine: any VisionEngine, _ mode: Int, limit: Int?
  ) throws(DeclipError) -> Damage {
    let embeddingSize = engine.plan.embeddingSize
    var content = ContentErrorMeter()
    var context = ContextErrorMeter()
    var labels =
      embeddings.isEmpty
      ? nil : LabelAgreementMeter(embeddings: embeddings, width: embeddingSize)
    var hasContext = false
    for index in 0..<min(limit ?? pictures.count, pictures.count) {
      let float = expected[mode][index]
      let found = try Self.features(engine, pictures, index)
      if let x = float[.dense], let y = found[.dense] {
        content.add(float: x, quantized: y, width: embeddingSize)
        labels?.add(float: x, quantized: y, shown: pictures.shownPatches(index))
      }
      if let x = float[.context], let y = found[.context] {
        hasContext = true
        context.add(
          float: x, quantized: y, width: engine.plan.transformer.width, pool: pool)
      }
    }
    return Damage(
      content: content.result, context: hasContext ? context.result : nil,
      labelAgreement: labels?.result)
  }

  private static func features(
    _ engine: any VisionEngine, _ pictures: any PictureInputs, _ index: Int
  ) throws(DeclipError) -> [VisionOutput: [Float]] {
    let pixels = try pictures.pixels(index)
    try pixels.span.withUnsafeBufferPointer { pixels throws(DeclipError) in
      try engine.run(pixels: pixels)
    }
    var features: [VisionOutput: [Float]] = [:]
    for output in [VisionOutput.dense, .context]
    where engine.plan.slots.contains(output.slot) {
      features[output] = engine.output(output.slot)
    }
    return features
  }
}
