import Model

/// A `tokenizer.json` of the `tokenizers` library.
struct TokenizerJSON {
  private let json: JSON

  init(_ json: JSON) { self.json = json }

  /// The tokenizer; throws `badData` where it is not byte-pair encoding as CLIP uses it.
  func tokenizer() throws(DeclipError) -> TokenizerData {
    try require(["model", "type"], is: "BPE")
    try require(["model", "end_of_word_suffix"], is: "</w>")
    var vocabulary = TokenVocabulary()
    let vocabularyField = try member(["model", "vocab"])
    try vocabulary.add(vocabularyField, place: "'model.vocab'")
    for token in try addedTokens() {
      guard let text = token.object?["content"]?.string, let id = token.object?["id"] else {
        throw DeclipError(
          .badData, "has no content or no id", place: "'added_tokens'", offset: token.offset)
      }
      try vocabulary.add(text, id: id)
    }
    return try vocabulary.tokenizer(merges: try merges())
  }

  private func addedTokens() throws(DeclipError) -> [JSON] {
    guard let field = json.member(["added_tokens"]) else { return [] }
    guard let tokens = field.array else {
      throw DeclipError(
        .badData, "is \(field.described)", place: "'added_tokens'", offset: field.offset,
        expected: "an array")
    }
    return tokens
  }

  /// Merges are pairs, or in files of older versions texts with one space.
  private func merges() throws(DeclipError) -> [TokenizerData.Merge] {
    let field = try member(["model", "merges"])
    guard let entries = field.array else {
      throw DeclipError(
        .badData, "is \(field.described)", place: "'model.merges'", offset: field.offset,
        expected: "an array")
    }
    var merges: [TokenizerData.Merge] = []
    merges.reserveCapacity(entries.count)
    for (index, entry) in entries.enumerated() {
      if let text = entry.string, let merge = MergesText.merge(Substring(text).utf8) {
        merges.append(merge)
      } else if let pair = entry.array, pair.count == 2, let left = pair[0].string,
        let right = pair[1].string, !left.isEmpty, !right.isEmpty
      {
        merges.append(.init(left, right))
      } else {
        throw DeclipError(
          .badData, "is \(entry.described)", place: "merge \(index + 1)", offset: entry.offset,
          expected: "two symbols")
      }
    }
    return merges
  }

  private func member(_ keys: [String]) throws(DeclipError) -> JSON {
    guard let member = json.member(keys) else {
      throw DeclipError(
        .badData, "has no '\(keys.joined(separator: "."))'", expected: "a BPE tokenizer")
    }
    return member
  }

  private func require(_ keys: [String], is text: String) throws(DeclipError) {
    let field = try member(keys)
    guard let found = field.string, ByteString(found) == ByteString(text) else {
      throw DeclipError(
        .badData, "is \(field.described)", place: "'\(keys.joined(separator: "."))'",
        offset: field.offset, expected: "'\(text)' as in CLIP's tokenizer")
    }
  }
}
