import Model
import Runtime

/// Proof that a migration leaves the float function as it was.
public enum MigrationCheck {
  /// The largest difference that is taken for rounding, of an element of normalised features.
  public static let tolerance: Float = 1e-5

  /// The largest difference of an element of normalised dense features between a model and the
  /// same with migrations, over pictures and modes.
  ///
  /// Throws what planning, reading and running throw.
  public static func largestChange(
    from original: some WeightSource, to migrated: MigratedWeights, pictures: some PictureInputs,
    modes: [DenseMode], pool: WorkerPool, kernels: Kernels
  ) throws(DeclipError) -> Float {
    let expected = try features(original, pictures, modes, pool, kernels)
    let found = try features(migrated, pictures, modes, pool, kernels)
    var largest: Float = 0
    for (x, y) in zip(expected.joined(), found.joined()) {
      let difference = abs(x - y)
      // What is not a number is as wrong as can be.
      largest = difference.isNaN ? .infinity : max(largest, difference)
    }
    return largest
  }

  /// Throws `badData` where the change exceeds the tolerance.
  public static func require(_ change: Float) throws(DeclipError) {
    guard change <= tolerance else {
      throw DeclipError(
        .badData, "moving scales between layers changes features by \(change)",
        expected: "at most \(tolerance)", remedy: "calibrate with --smoothing off")
    }
  }

  private static func features(
    _ source: some WeightSource, _ pictures: some PictureInputs, _ modes: [DenseMode],
    _ pool: WorkerPool, _ kernels: Kernels
  ) throws(DeclipError) -> [[Float]] {
    var plans: [Plan] = []
    for mode in modes {
      plans.append(
        try Plan.vision(
          source.architecture, input: pictures.size, mode: mode, outputs: [.dense]))
    }
    let weights = try FloatWeights(source, for: plans, pool: pool)
    var result: [[Float]] = []
    for plan in plans {
      let engine = try FloatEngine(plan: plan, weights: weights, pool: pool, kernels: kernels)
      for index in 0..<pictures.count {
        let pixels = try pictures.pixels(index)
        try pixels.span.withUnsafeBufferPointer { pixels throws(DeclipError) in
          try engine.run(pixels: pixels)
        }
        result.append(normalizedRows(engine.output(.dense), plan.embeddingSize))
      }
    }
    return result
  }
}
