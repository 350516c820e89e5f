import Model

extension TokenizerData {
  /// The content of section `tokenizer`; throws `badData` for what the section cannot hold.
  func encoded() throws(DeclipError) -> [UInt8] {
    let place = "section 'tokenizer'"
    var builder = ByteBuilder()
    for token in [startToken, endToken, padToken] {
      guard vocabulary.indices.contains(token) else {
        throw DeclipError(
          .badData, "special token \(token) is outside the vocabulary", place: place,
          expected: "0 to \(vocabulary.count - 1)")
      }
      builder.append(UInt32(truncatingIfNeeded: token))
    }
    for text in vocabulary + merges.flatMap({ [$0.left, $0.right] }) {
      guard text.utf8.count <= UInt16.max else {
        throw DeclipError(
          .badData, "a symbol has \(text.utf8.count) bytes", place: place, expected: "at most 65535"
        )
      }
    }
    builder.append(UInt32(truncatingIfNeeded: vocabulary.count))
    builder.append(UInt32(truncatingIfNeeded: merges.count))
    func append(_ text: String) {
      builder.append(UInt16(truncatingIfNeeded: text.utf8.count))
      builder.append(text)
    }
    for text in vocabulary { append(text) }
    for merge in merges {
      append(merge.left)
      append(merge.right)
    }
    return builder.bytes
  }

  /// Reads the content of section `tokenizer`; throws `badData`.
  init(decoding bytes: ByteView) throws(DeclipError) {
    let place = "section 'tokenizer'"
    var cursor = ByteCursor(bytes, place: place)
    var special: [Int] = []
    for _ in 0..<3 { special.append(Int(try cursor.read(UInt32.self))) }
    let vocabularyCount = try cursor.read(UInt32.self)
    let mergeCount = try cursor.read(UInt32.self)
    func text() throws(DeclipError) -> String {
      try cursor.readString(Int(try cursor.read(UInt16.self)))
    }
    // No capacity is reserved for the counts: a lie ends at the end of the bytes.
    var vocabulary: [String] = []
    for _ in 0..<vocabularyCount { vocabulary.append(try text()) }
    var merges: [Merge] = []
    for _ in 0..<mergeCount { merges.append(Merge(try text(), try text())) }
    try cursor.finish()
    guard special.allSatisfy(vocabulary.indices.contains) else {
      throw DeclipError(
        .badData, "special tokens \(special) are not all in the vocabulary", place: place,
        expected: "0 to \(vocabulary.count - 1)")
    }
    self.init(
      vocabulary: vocabulary, merges: merges, startToken: special[0], endToken: special[1],
      padToken: special[2])
  }
}
