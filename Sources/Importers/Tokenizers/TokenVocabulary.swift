import Model

/// A vocabulary in the making: tokens with their ids, in any order.
struct TokenVocabulary {
  /// The text that starts every sequence.
  static let startText = "<|startoftext|>"
  /// The text that ends every sequence.
  static let endText = "<|endoftext|>"

  private struct Entry {
    let text: String
    let id: Int
    let offset: UInt64?
  }

  private var entries: [Entry] = []
  private var ids: [ByteString: Int] = [:]

  init() {}

  /// A vocabulary whose ids follow the order of `texts`, which are distinct byte by byte; nil
  /// where they are not.
  init?(inOrder texts: [String]) {
    for (id, text) in texts.enumerated() {
      guard ids.updateValue(id, forKey: ByteString(text)) == nil else { return nil }
      entries.append(Entry(text: text, id: id, offset: nil))
    }
  }

  /// Adds the members of an object that maps tokens to ids.
  mutating func add(_ json: JSON, place: String) throws(DeclipError) {
    guard let object = json.object else {
      throw DeclipError(
        .badData, "is \(json.described)", place: place, offset: json.offset,
        expected: "an object that maps tokens to ids")
    }
    entries.reserveCapacity(entries.count + object.members.count)
    for member in object.members { try add(member.key, id: member.value) }
  }

  /// Adds one token; a token that is there under the same id is no contradiction.
  mutating func add(_ text: String, id json: JSON) throws(DeclipError) {
    guard let id = json.integer, id >= 0 else {
      throw DeclipError(
        .badData, "has the id \(json.described)", place: "token \(quoted(text))",
        offset: json.offset, expected: "an integer from 0")
    }
    if let known = ids.updateValue(id, forKey: ByteString(text)) {
      guard known == id else {
        throw DeclipError(
          .badData, "has the ids \(known) and \(id)", place: "token \(quoted(text))",
          offset: json.offset)
      }
      return
    }
    entries.append(Entry(text: text, id: id, offset: json.offset))
  }

  /// The finished tokenizer, padded with 0.
  ///
  /// Throws `badData` where the ids are not 0, 1, 2 … once each, where a merge makes or takes a
  /// symbol that is no token, and where the start or end token is missing.
  func tokenizer(merges: [TokenizerData.Merge]) throws(DeclipError) -> TokenizerData {
    for (index, merge) in merges.enumerated() {
      for symbol in [merge.left, merge.right, merge.left + merge.right]
      where ids[ByteString(symbol)] == nil {
        throw DeclipError(
          .badData, "\(quoted(symbol)) is not in the vocabulary", place: "merge \(index + 1)",
          remedy: "check that vocabulary and merges belong together")
      }
    }
    return TokenizerData(
      vocabulary: try ordered(), merges: merges, startToken: try special(Self.startText),
      endToken: try special(Self.endText), padToken: 0)
  }

  private func ordered() throws(DeclipError) -> [String] {
    var texts = [String?](repeating: nil, count: entries.count)
    for entry in entries {
      guard entry.id < texts.count else {
        throw DeclipError(
          .badData, "has the id \(entry.id)", place: "token \(quoted(entry.text))",
          offset: entry.offset,
          expected: "0 to \(texts.count - 1) for \(texts.count) tokens without gaps")
      }
      if let other = texts[entry.id] {
        throw DeclipError(
          .badData, "has the id \(entry.id), as has \(quoted(other))",
          place: "token \(quoted(entry.text))", offset: entry.offset)
      }
      texts[entry.id] = entry.text
    }
    return texts.compactMap { $0 }
  }

  private func special(_ text: String) throws(DeclipError) -> Int {
    guard let id = ids[ByteString(text)] else {
      throw DeclipError(
        .badData, "is missing", place: "token \(quoted(text))",
        remedy: "check that the tokenizer is CLIP's")
    }
    return id
  }
}
