import Model
import Runtime
import Vision

/// Features of one picture.
public struct Features: Sendable {
  /// The grid of patches that dense outputs are laid out on.
  public let grid: Grid
  /// How the picture lies in the network's input.
  public let geometry: InputGeometry
  /// The outputs asked for, row-major: dense `[patches, embedding]`, content and context
  /// `[patches, width]`, image `[embedding]`.
  public let outputs: [VisionOutput: [Float]]
}

/// Turns pictures into features with a model's vision tower.
///
/// Holds the tower's weights as float32, once for all input sizes. Used by one thread at a time.
public final class ImageEncoder {
  /// The model.
  public let model: Model
  /// How the last block aggregates.
  public let mode: DenseMode
  /// What is computed.
  public let outputs: Set<VisionOutput>
  private let pool: WorkerPool
  private let kernels: Kernels
  private var weights: FloatWeights?
  private var engines: [InputSize: FloatEngine] = [:]

  /// Input sizes whose buffers are kept; pictures of more shapes have theirs placed anew.
  private static let mostEngines = 4

  /// Makes an encoder; weights are read with the first picture.
  public init(
    _ model: Model, mode: DenseMode, outputs: Set<VisionOutput>, pool: WorkerPool
  ) throws(DeclipError) {
    self.model = model
    self.mode = mode
    self.outputs = outputs
    self.pool = pool
    kernels = try Kernels.chosen()
  }

  /// The engine for inputs of a size, made on first use.
  ///
  /// Throws `usage` where the model cannot take the size or the mode, `badData` where the file
  /// is damaged.
  public func engine(for size: InputSize) throws(DeclipError) -> FloatEngine {
    if let engine = engines[size] { return engine }
    let plan = try Plan.vision(model.architecture, input: size, mode: mode, outputs: outputs)
    let weights =
      if let weights { weights } else {
        try FloatWeights(model.container, for: [plan], pool: pool)
      }
    self.weights = weights
    let engine = try FloatEngine(plan: plan, weights: weights, pool: pool, kernels: kernels)
    if engines.count >= Self.mostEngines { engines.removeAll() }
    engines[size] = engine
    return engine
  }

  /// Computes the features of a picture laid into the network's input as `geometry` says.
  ///
  /// Throws what `engine(for:)` throws.
  public func features(
    of image: Image, geometry: InputGeometry
  ) throws(DeclipError) -> Features {
    let input = model.architecture.preprocessing.dense(image, geometry, threads: pool.threads)
    let engine = try run(input)
    var results: [VisionOutput: [Float]] = [:]
    for output in outputs { results[output] = engine.output(output.slot) }
    return Features(
      grid: Grid(rows: geometry.gridRows, columns: geometry.gridColumns), geometry: geometry,
      outputs: results)
  }

  /// The embedding `[embedding]` of a whole picture, not normalised: the shorter side is resized
  /// to `size` pixels and the centre taken.
  ///
  /// Throws what `engine(for:)` throws.
  public func embedding(of image: Image, size: Int) throws(DeclipError) -> [Float] {
    // Checked before pixels are resized to it.
    _ = try engine(for: InputSize(height: size, width: size))
    let input = model.architecture.preprocessing.classification(
      image, size: size, threads: pool.threads)
    return try run(input).output(VisionOutput.image.slot)
  }

  private func run(_ input: VisionInput) throws(DeclipError) -> FloatEngine {
    let engine = try engine(for: InputSize(height: input.height, width: input.width))
    try input.values.span.withUnsafeBufferPointer { pixels throws(DeclipError) in
      try engine.run(pixels: pixels)
    }
    return engine
  }
}
