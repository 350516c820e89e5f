import Glibc
import Model
import Runtime
import Vision

/// Zero-shot classification of whole pictures.
public final class Classifier {
  /// How well a class fits a picture.
  public struct Score: Sendable {
    /// The class's number in the vocabulary.
    public let classIndex: Int
    /// The cosine of picture and class embedding.
    public let cosine: Float
    /// The share of the class in a softmax over the vocabulary.
    public let probability: Float
  }

  private let encoder: ImageEncoder
  private let vocabulary: Vocabulary

  /// Makes a classifier; throws what `ImageEncoder` throws.
  public init(
    _ model: Model, vocabulary: Vocabulary, engine: EngineKind? = nil, pool: WorkerPool
  ) throws(DeclipError) {
    encoder = try ImageEncoder(model, mode: .vanilla, outputs: [.image], engine: engine, pool: pool)
    self.vocabulary = vocabulary
  }

  /// The scores of all classes, best first: `softmax(logitScale * cosine)` (CLIP, arXiv
  /// 2103.00020, section 3.1.2).
  ///
  /// The picture's shorter side is resized to `size` pixels and its centre taken. Throws what
  /// `ImageEncoder.features` throws.
  public func scores(of image: Image, size: Int) throws(DeclipError) -> [Score] {
    let output = try encoder.embedding(of: image, size: size)
    let embedding = normalizedVector(output[...])
    let width = vocabulary.embeddingSize
    let cosines = vocabulary.names.indices.map { index in
      zip(embedding, vocabulary.embeddings[index * width..<(index + 1) * width])
        .reduce(0) { $0 + $1.0 * $1.1 }
    }
    let scale = encoder.model.architecture.logitScale
    let largest = cosines.max() ?? 0
    let weights = cosines.map { exp(scale * ($0 - largest)) }
    let sum = weights.reduce(0, +)
    return cosines.indices
      .map { Score(classIndex: $0, cosine: cosines[$0], probability: weights[$0] / sum) }
      .sorted { ($0.cosine, $1.classIndex) > ($1.cosine, $0.classIndex) }
  }
}
