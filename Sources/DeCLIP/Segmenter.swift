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
    _ model: Model, vocabulary: Vocabulary, mode: DenseMode, engine: EngineKind? = nil,
    pool: WorkerPool
  ) throws(DeclipError) {
    encoder = try ImageEncoder(model, mode: mode, outputs: [.dense], engine: engine, pool: pool)
    self.vocabulary = vocabulary
    self.pool = pool
  }

  /// The map of a picture laid into the network's inputs as `input` says.
  ///
  /// Throws what `ImageEncoder.features(of:input:)` and `SegmentationMap.init` throw.
  public func map(
    of image: Image, input: DenseInput, options: SegmentationMap.Options
  ) throws(DeclipError) -> SegmentationMap {
    try encoder.features(of: image, input: input)
      .segmentationMap(vocabulary, options: options, threads: pool.threads)
  }

  /// The map of a picture laid into one input as `geometry` says.
  ///
  /// Throws what `map(of:input:options:)` throws.
  public func map(
    of image: Image, geometry: InputGeometry, options: SegmentationMap.Options
  ) throws(DeclipError) -> SegmentationMap {
    try map(of: image, input: .whole(geometry), options: options)
  }
}

extension Features {
  /// The map that dense features give with a vocabulary; throws what `SegmentationMap.init` throws.
  func segmentationMap(
    _ vocabulary: Vocabulary, options: SegmentationMap.Options, threads: Int
  ) throws(DeclipError) -> SegmentationMap {
    try SegmentationMap(
      features: outputs[.dense] ?? [], embeddings: vocabulary.embeddings,
      embeddingSize: vocabulary.embeddingSize, geometry: geometry, options: options,
      normalizing: !isAveraged, threads: threads)
  }
}
