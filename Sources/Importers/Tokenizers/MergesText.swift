import Model

/// A text of merges: a line of version, then one merge a line, two symbols with a space between.
///
/// OpenAI's `bpe_simple_vocab_16e6.txt` is such a text with more merges than CLIP uses.
struct MergesText {
  /// The merges in the order of the text, no more than CLIP uses.
  let merges: [TokenizerData.Merge]

  /// CLIP's merges: its 49408 tokens without two sets of 256 bytes and two special tokens.
  private static let largestCount = 49_408 - 2 * 256 - 2

  /// Reads the text; throws `badData` for a line that is not two symbols.
  init(_ bytes: ByteView) throws(DeclipError) {
    merges = try bytes.withUnsafeBytes { bytes throws(DeclipError) in
      if let place = firstInvalidUTF8(in: bytes) {
        throw DeclipError(.badData, "invalid UTF-8", offset: UInt64(place))
      }
      return try Self.merges(in: bytes)
    }
  }

  private static func merges(
    in bytes: UnsafeRawBufferPointer
  ) throws(DeclipError) -> [TokenizerData.Merge] {
    guard bytes.prefix(64).prefix(while: { $0 != UInt8(ascii: "\n") }).contains(UInt8(ascii: "#"))
    else {
      throw DeclipError(
        .badData, "is no text of merges", expected: "a first line with '#version'")
    }
    var merges: [TokenizerData.Merge] = []
    var start = bytes.startIndex
    var line = 0
    while start < bytes.endIndex, merges.count < largestCount {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
      defer { start = end + 1 }
      line += 1
      guard line > 1 else { continue }
      var text = bytes[start..<end]
      if text.last == UInt8(ascii: "\r") { text.removeLast() }
      guard !text.isEmpty else { continue }
      guard let merge = merge(text) else {
        throw DeclipError(
          .badData, quoted(String(decoding: text, as: UTF8.self), limit: 40),
          place: "line \(line)", offset: UInt64(start), expected: "two symbols with a space between"
        )
      }
      merges.append(merge)
    }
    return merges
  }

  /// The merge of two symbols with one space between; nil for any other text.
  static func merge(_ text: some Collection<UInt8>) -> TokenizerData.Merge? {
    let parts = text.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
    return TokenizerData.Merge(
      String(decoding: parts[0], as: UTF8.self), String(decoding: parts[1], as: UTF8.self))
  }

  /// The tokenizer whose vocabulary follows from the merges, as OpenAI's code builds it: the 256
  /// bytes, the same as ends of words, what each merge makes, the two special tokens.
  func tokenizer() throws(DeclipError) -> TokenizerData {
    let bytes = Self.alphabet
    let texts =
      bytes + bytes.map { $0 + "</w>" } + merges.map { $0.left + $0.right }
      + [TokenVocabulary.startText, TokenVocabulary.endText]
    guard let vocabulary = TokenVocabulary(inOrder: texts) else {
      throw DeclipError(
        .badData, "two merges make the same token",
        remedy: "pass tokenizer.json, or vocab.json beside merges.txt")
    }
    return try vocabulary.tokenizer(merges: merges)
  }

  /// The printable character of every byte in GPT-2's byte-level alphabet, in its order: the
  /// printable bytes of Latin-1 stand for themselves, the others follow from U+0100.
  private static let alphabet: [String] = {
    let printable = Array(0x21...0x7E) + Array(0xA1...0xAC) + Array(0xAE...0xFF)
    let others = 0x100..<0x100 + (256 - printable.count)
    return (printable + others).compactMap { Unicode.Scalar($0) }.map { String(Character($0)) }
  }()
}
