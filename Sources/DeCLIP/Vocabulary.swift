import Model
import Runtime
import Vision

/// The classes that a picture is described with: names and their embeddings.
public struct Vocabulary: Sendable {
  /// The names, in the order of label numbers.
  public let names: [String]
  /// L2-normalised embeddings `[classes, embedding]`, row-major.
  public let embeddings: [Float]
  /// The size of an embedding.
  public let embeddingSize: Int

  /// Embeds class names: the mean of the normalised embeddings of a template's prompts,
  /// normalised again (CLIP, arXiv 2103.00020, section 3.1.4).
  ///
  /// Throws `usage` where no name is given or one twice, and what `TextEncoder` throws.
  public init(
    _ names: [String], model: Model, templates: PromptTemplates, pool: WorkerPool
  ) throws(DeclipError) {
    try Self.check(names)
    let encoder = try TextEncoder(model, pool: pool)
    let size = model.architecture.embeddingSize
    var embeddings: [Float] = []
    for name in names {
      var mean = [Float](repeating: 0, count: size)
      for embedding in try encoder.encode(templates.prompts(for: name)) {
        for i in mean.indices { mean[i] += embedding[i] }
      }
      embeddings += normalizedVector(mean[...])
    }
    self.names = names
    self.embeddings = embeddings
    embeddingSize = size
  }

  /// Takes embeddings `[classes, embedding]` computed elsewhere; they are normalised here.
  ///
  /// Throws `usage` where names and rows differ in number, `badData` where the rows are not of
  /// the model's embedding size or not finite.
  public init(
    _ names: [String], embeddings: NumPyArray, file: String, model: Model
  ) throws(DeclipError) {
    try Self.check(names)
    let size = model.architecture.embeddingSize
    guard embeddings.shape.count == 2, embeddings.shape[1] == size else {
      throw DeclipError(
        .badData, "has shape \(embeddings.shape)", file: file,
        expected: "[classes, \(size)], the model's embedding size")
    }
    guard embeddings.shape[0] == names.count else {
      throw DeclipError(
        .usage, "has \(embeddings.shape[0]) rows for \(names.count) classes", file: file,
        expected: "one row for each name of --classes")
    }
    guard embeddings.values.allSatisfy(\.isFinite) else {
      throw DeclipError(.badData, "holds values that are not finite", file: file)
    }
    self.names = names
    self.embeddings = names.indices.flatMap {
      normalizedVector(embeddings.values[$0 * size..<($0 + 1) * size])
    }
    embeddingSize = size
  }

  private static func check(_ names: [String]) throws(DeclipError) {
    guard !names.isEmpty else { throw DeclipError(.usage, "no classes are given") }
    var seen: Set<String> = []
    for name in names where !seen.insert(name).inserted {
      throw DeclipError(.usage, "the class '\(name)' is given twice")
    }
  }
}
