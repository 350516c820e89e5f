import Model
import Runtime
import Vision

/// Labels every pixel of pictures with the classes of a vocabulary.
public final class Segmenter {
  private let encoder: ImageEncoder
  private let vocabulary: Vocabulary
  private let pool: WorkerPool

  /// Makes a segmenter; throws what `ImageEncoder` throws.
  public init(
    _ model: Model, vocabulary: Vocabulary, mode: DenseMode, engine: EngineKind = .float,
    pool: WorkerPool
  ) throws(DeclipError) {
    encoder = try ImageEncoder(model, mode: mode, outputs: [.dense], engine: engine, pool: pool)
    self.vocabulary = vocabulary
    self.pool = pool
  }

  /// The map of a picture laid into the network's input as `geometry` says.
  ///
  /// Throws what
  /// `ImageEncoder.features(of:geometry:)` and `SegmentationMap.init` throw.
  public func map(
    of image: Image, geometry: InputGeometry, options: SegmentationMap.Options
  ) throws(DeclipError) -> SegmentationMap {
    let features = try encoder.features(of: image, geometry: geometry)
    return try SegmentationMap(
      features: features.outputs[.dense] ?? [], embeddings: vocabulary.embeddings,
      embeddingSize: vocabulary.embeddingSize, geometry: geometry, options: options,
      threads: pool.threads)
  }
}
