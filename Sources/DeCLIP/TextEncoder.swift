import Model
import Runtime
import Vision

/// Turns texts into embeddings of the shared space with a model's text tower.
///
/// Holds the tower's weights as float32 for as long as it lives.
public final class TextEncoder {
  private let tokenizer: Tokenizer
  private let engine: FloatEngine
  private let tower: TextTower
  private let embeddingSize: Int

  /// Tokens that are computed at a time: enough for the products to run at full speed.
  private static let batchRows = 512

  /// Reads the text tower of `model`.
  ///
  /// Throws `usage` where the file has no text tower or no tokenizer, `badData` where it is
  /// damaged.
  public init(_ model: Model, pool: WorkerPool) throws(DeclipError) {
    guard let tower = model.architecture.text else {
      let wasAsked = model.container.provenance["options.vision-only"] == "true"
      throw DeclipError(
        .usage, "has no text tower", file: model.path,
        remedy: "give class embeddings with --embeddings"
          + (wasAsked ? ", or convert without --vision-only" : ""))
    }
    guard let data = try model.container.tokenizer() else {
      throw DeclipError(
        .usage, "has no tokenizer", file: model.path,
        remedy: "convert the checkpoint again with --tokenizer, or give --embeddings")
    }
    tokenizer = try Tokenizer(data)
    self.tower = tower
    embeddingSize = model.architecture.embeddingSize
    let plan = try Plan.text(
      model.architecture, rows: max(Self.batchRows, tower.contextLength))
    engine = try FloatEngine(
      plan: plan, weights: FloatWeights(model.container, for: [plan], pool: pool), pool: pool,
      kernels: .chosen())
  }

  /// One L2-normalised embedding `[embedding]` for each text.
  ///
  /// Texts longer than the model's context are cut behind its last token but one; the end token
  /// is kept. Throws `internal` where the tokenizer yields ids that the tower does not have.
  public func encode(_ texts: [String]) throws(DeclipError) -> [[Float]] {
    let sequences = texts.map(tokens)
    var embeddings: [[Float]] = []
    embeddings.reserveCapacity(texts.count)
    var start = 0
    while start < sequences.count {
      var end = start
      var rows = 0
      while end < sequences.count, rows + sequences[end].count <= engine.plan.rows {
        rows += sequences[end].count
        end += 1
      }
      try engine.run(texts: sequences[start..<end])
      let output = engine.output(.embedding)
      for row in 0..<end - start {
        embeddings.append(
          normalizedVector(output[row * embeddingSize..<(row + 1) * embeddingSize]))
      }
      start = end
    }
    return embeddings
  }
}

extension TextEncoder {
  /// A text's ids from the start to the first end token, where CLIP pools; attention is causal,
  /// so nothing behind it matters.
  private func tokens(_ text: String) -> [Int32] {
    let ids = tokenizer.encode(text, contextLength: tower.contextLength)
    let end = ids.firstIndex(of: Int32(tokenizer.endToken)) ?? ids.count - 1
    return Array(ids[...end])
  }
}

/// `values` divided by their L2 norm; zeros stay zeros.
public func normalizedVector(_ values: ArraySlice<Float>) -> [Float] {
  let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
  return norm > 0 ? values.map { $0 / norm } : Array(values)
}
