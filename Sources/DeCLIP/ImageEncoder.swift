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
  /// Whether dense features are means over windows of normalised features, so that their lengths
  /// say how far windows agree.
  public let isAveraged: Bool
}

/// What a vision tower is computed with.
public enum EngineKind: String, Sendable, CaseIterable {
  /// 32-bit floats and OpenBLAS: the reference.
  case float
  /// Products of 8-bit integers.
  case int8
}

/// Turns pictures into features with a model's vision tower.
///
/// Holds the tower's weights in the engine's form, once for all input sizes. Used by one thread at
/// a time.
public final class ImageEncoder {
  /// The model.
  public let model: Model
  /// How the last block aggregates.
  public let mode: DenseMode
  /// What is computed.
  public let outputs: Set<VisionOutput>
  private let pool: WorkerPool
  private let kernels: Kernels
  /// What the tower is computed with.
  public let kind: EngineKind
  private var floatWeights: FloatWeights?
  private var int8Weights: Int8Weights?
  private var engines: [InputSize: any VisionEngine] = [:]

  /// Input sizes whose buffers are kept; pictures of more shapes have theirs placed anew.
  private static let mostEngines = 4

  /// Makes an encoder; weights are read with the first picture. Without an engine named it is the
  /// one that suits the file, `Model.preferredEngine`.
  public init(
    _ model: Model, mode: DenseMode, outputs: Set<VisionOutput>, engine kind: EngineKind? = nil,
    pool: WorkerPool
  ) throws(DeclipError) {
    self.kind = kind ?? model.preferredEngine
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
  public func engine(for size: InputSize) throws(DeclipError) -> any VisionEngine {
    if let engine = engines[size] { return engine }
    let plan = try Plan.vision(model.architecture, input: size, mode: mode, outputs: outputs)
    let engine = try makeEngine(plan)
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
      outputs: results, isAveraged: false)
  }

  /// Computes the features of a picture in one input, or the dense features averaged over several.
  ///
  /// Throws what `engine(for:)` throws.
  public func features(of image: Image, input: DenseInput) throws(DeclipError) -> Features {
    switch input {
    case .whole(let geometry): try features(of: image, geometry: geometry)
    case .windows(let windows): try averagedFeatures(of: image, windows)
    }
  }

  private func averagedFeatures(
    of image: Image, _ windows: SlidingWindows
  ) throws(DeclipError) -> Features {
    let geometry = windows.geometry
    let content = image.resized(
      width: geometry.contentWidth, height: geometry.contentHeight, threads: pool.threads)
    var average = WindowAverage(windows, width: model.architecture.embeddingSize)
    for row in windows.rowOrigins {
      for column in windows.columnOrigins {
        let engine = try run(
          model.architecture.preprocessing.window(
            of: content, left: column * geometry.patchSize, top: row * geometry.patchSize,
            size: windows.size))
        average.add(engine.output(.dense), row: row, column: column)
      }
    }
    return Features(
      grid: Grid(rows: geometry.gridRows, columns: geometry.gridColumns), geometry: geometry,
      outputs: [.dense: average.features], isAveraged: true)
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

  /// The embedding `[embedding]` of a region that was cut out of a picture, not normalised: the
  /// longer side is resized to `size` pixels, in the middle of a black square.
  ///
  /// Throws what `engine(for:)` throws.
  public func embedding(ofRegion image: Image, size: Int) throws(DeclipError) -> [Float] {
    _ = try engine(for: InputSize(height: size, width: size))
    let input = model.architecture.preprocessing.letterboxed(
      image, size: size, threads: pool.threads)
    return try run(input).output(VisionOutput.image.slot)
  }

  private func makeEngine(_ plan: Plan) throws(DeclipError) -> any VisionEngine {
    switch kind {
    case .float:
      let weights =
        if let floatWeights { floatWeights } else {
          try FloatWeights(model.container, for: [plan], pool: pool)
        }
      floatWeights = weights
      return try FloatEngine(plan: plan, weights: weights, pool: pool, kernels: kernels)
    case .int8:
      let weights =
        if let int8Weights { int8Weights } else {
          try Int8Weights(model.container, for: [plan], pool: pool, kernels: kernels)
        }
      int8Weights = weights
      return try Int8Engine(plan: plan, weights: weights, pool: pool, kernels: kernels)
    }
  }

  private func run(_ input: VisionInput) throws(DeclipError) -> any VisionEngine {
    let engine = try engine(for: InputSize(height: input.height, width: input.width))
    try input.values.span.withUnsafeBufferPointer { pixels throws(DeclipError) in
      try engine.run(pixels: pixels)
    }
    return engine
  }
}
