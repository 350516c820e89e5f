import Model

extension Plan {
  /// Plans a text tower for up to `rows` tokens of any number of texts, packed one after another.
  ///
  /// Tokens behind a text's end token cannot influence it, attention being causal, and are not
  /// computed. Throws `usage` where the model has no text tower.
  public static func text(_ architecture: Architecture, rows: Int) throws(DeclipError) -> Plan {
    guard let tower = architecture.text else {
      throw DeclipError(
        .usage, "the model has no text tower",
        remedy: "give class embeddings with --embeddings, or convert without --vision-only")
    }
    var builder = PlanBuilder(tower.transformer)
    builder.add(.embedTokens)
    for index in 0..<tower.transformer.layers { builder.block(index, rotates: false) }
    builder.add(.gatherEnds(from: .tokens, to: .branch), rows: .texts)
    builder.head(from: .branch, to: .embedding, rows: .texts)
    return Plan(
      tower: .text, transformer: tower.transformer, grid: nil, rows: rows,
      patchSize: nil, embeddingSize: architecture.embeddingSize, steps: builder.steps)
  }
}
