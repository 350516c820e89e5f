import Testing

@testable import Importers
@testable import Model

@Suite struct TokenizerImporterTests {
  private let folder: TestFolder

  init() throws { folder = try TestFolder() }

  private let addedTokens =
    #"[{"id":515,"content":"<|startoftext|>"},{"id":516,"content":"<|endoftext|>"}]"#

  private func tokenizerJSON(merges: String, type: String = "BPE") throws -> String {
    let vocabulary = try SmallTokenizer.vocabulary(withSpecialTokens: false)
    return """
      {"version":"1.0","added_tokens":\(addedTokens),"model":{"type":"\(type)",\
      "end_of_word_suffix":"</w>","vocab":\(vocabulary),"merges":\(merges)}}
      """
  }

  @Test func vocabularyFollowsFromMerges() throws {
    let data = try SmallTokenizer.data()
    #expect(data.vocabulary.count == 517)
    #expect(data.vocabulary[0] == "!")
    #expect(data.vocabulary[93] == "~")
    #expect(data.vocabulary[94] == "¡")
    // Byte 0 is the first without a printable character of its own.
    #expect(data.vocabulary[188] == "Ā")
    #expect(data.vocabulary[256] == "!</w>")
    #expect(data.vocabulary[512...] == ["th", "the</w>", "ca", "<|startoftext|>", "<|endoftext|>"])
    #expect(data.merges.map(\.left) == ["t", "th", "c"])
    #expect(data.merges.map(\.right) == ["h", "e</w>", "a"])
    #expect([data.startToken, data.endToken, data.padToken] == [515, 516, 0])
  }

  @Test func everyFileGivesTheSameTokenizer() throws {
    let expected = try SmallTokenizer.data()
    try folder.write("bpe_simple_vocab_16e6.txt.gz", gzip(SmallTokenizer.mergesText))
    #expect(try TokenizerImporter.read(path: folder.path) == expected)
    try folder.write("vocab.json", try SmallTokenizer.vocabulary())
    try folder.write("merges.txt", SmallTokenizer.mergesText.replacing("\n", with: "\r\n"))
    #expect(try TokenizerImporter.read(path: folder.path) == expected)
    #expect(try TokenizerImporter.read(path: folder("merges.txt")) == expected)
    for merges in [#"["t h","th e</w>","c a"]"#, #"[["t","h"],["th","e</w>"],["c","a"]]"#] {
      let path = try folder.write("tokenizer.json", try tokenizerJSON(merges: merges))
      #expect(try TokenizerImporter.read(path: path) == expected)
      #expect(try TokenizerImporter.read(path: folder.path) == expected)
    }
  }

  @Test func aTokenNamedModelIsNoTokenizerJSON() throws {
    let vocabulary = try SmallTokenizer.vocabulary().dropLast() + ", \"model\": 517}"
    let path = try folder.write("vocab.json", String(vocabulary))
    try folder.write("merges.txt", SmallTokenizer.mergesText)
    #expect(try TokenizerImporter.read(path: path).vocabulary[517] == "model")
  }

  @Test func padTokenOfTransformersIsTheOneNamed() throws {
    try folder.write("merges.txt", SmallTokenizer.mergesText)
    let source = CheckpointSource([])
    let pad = { () throws -> Int? in
      try TokenizerImporter.find(
        path: folder("merges.txt"), beside: source, usesNamedPadToken: true)?.data.padToken
    }
    #expect(try pad() == 516)
    try folder.write("tokenizer_config.json", #"{"pad_token":"!"}"#)
    #expect(try pad() == 0)
    try folder.write("special_tokens_map.json", #"{"pad_token":{"content":"th"}}"#)
    #expect(try pad() == 512)
    try folder.write("special_tokens_map.json", #"{"pad_token":"nothing"}"#)
    expectError(
      "\(folder("special_tokens_map.json")): 'pad_token' at byte 13: is 'nothing', expected a"
        + " token of the vocabulary"
    ) { try pad() }
  }

  @Test func refusesWhatIsNotCLIPs() throws {
    let path = folder("tokenizer.json")
    try folder.write("tokenizer.json", try tokenizerJSON(merges: "[]", type: "WordPiece"))
    expectError(
      "\(path): 'model.type' at byte 126: is 'WordPiece', expected 'BPE' as in CLIP's tokenizer"
    ) { try TokenizerImporter.read(path: path) }
    try folder.write("tokenizer.json", #"{"model":{"type":"BPE"}}"#)
    expectError("\(path): has no 'model.end_of_word_suffix', expected a BPE tokenizer") {
      try TokenizerImporter.read(path: path)
    }
    try folder.write(
      "tokenizer.json",
      #"{"model":{"type":"BPE","end_of_word_suffix":"</w>","vocab":{"a":0,"b":2},"merges":[]}}"#)
    expectError(
      "\(path): token 'b' at byte 70: has the id 2, expected 0 to 1 for 2 tokens without gaps"
    ) { try TokenizerImporter.read(path: path) }
    try folder.write(
      "tokenizer.json",
      #"{"model":{"type":"BPE","end_of_word_suffix":"</w>","vocab":{"a":0,"b":0},"merges":[]}}"#)
    expectError("\(path): token 'b' at byte 70: has the id 0, as has 'a'") {
      try TokenizerImporter.read(path: path)
    }
    try folder.write(
      "tokenizer.json",
      #"{"model":{"type":"BPE","end_of_word_suffix":"</w>","vocab":{"a":0},"merges":[]}}"#)
    expectError("\(path): token '<|startoftext|>': is missing; check that the tokenizer is CLIP's")
    {
      try TokenizerImporter.read(path: path)
    }
    try folder.write("tokenizer.json", try tokenizerJSON(merges: #"["t h x"]"#))
    #expect { try TokenizerImporter.read(path: path) } throws: {
      "\($0)".hasSuffix(": is 't h x', expected two symbols") && "\($0)".contains("merge 1 at byte")
    }
    try folder.write("tokenizer.json", try tokenizerJSON(merges: #"["t x"]"#))
    expectError(
      "\(path): merge 1: 'tx' is not in the vocabulary; check that vocabulary and merges belong"
        + " together"
    ) { try TokenizerImporter.read(path: path) }
  }

  @Test func refusesTextsThatAreNoMerges() throws {
    let path = try folder.write("merges.txt", "hello\nworld\n")
    expectError("\(path): is no text of merges, expected a first line with '#version'") {
      try TokenizerImporter.read(path: path)
    }
    try folder.write("merges.txt", "#version\na b\nabc\n")
    expectError("\(path): line 3 at byte 13: 'abc', expected two symbols with a space between") {
      try TokenizerImporter.read(path: path)
    }
    try folder.write("merges.txt", "#version\na b\na b\n")
    expectError(
      "\(path): two merges make the same token; pass tokenizer.json, or vocab.json beside"
        + " merges.txt"
    ) { try TokenizerImporter.read(path: path) }
    expectError(
      "\(folder.path): holds no tokenizer, expected tokenizer.json, vocab.json with merges.txt, or"
        + " bpe_simple_vocab_16e6.txt.gz"
    ) {
      try folder.write("merges.txt", "")
      return try TokenizerImporter.read(path: folder.path)
    }
  }

  @Test func damagedGzipIsRefused() throws {
    let whole = gzip(SmallTokenizer.mergesText)
    let path = folder("bpe_simple_vocab_16e6.txt.gz")
    for place in [20, whole.count - 8, whole.count - 1] {
      var damaged = whole
      damaged[place] ^= 4
      try folder.write("bpe_simple_vocab_16e6.txt.gz", damaged)
      #expect { try TokenizerImporter.read(path: path) } throws: {
        "\($0)".hasPrefix("\(path): at byte ")
          && "\($0)".hasSuffix("the gzip data are damaged or truncated; fetch the file again")
      }
    }
    for count in [2, 10, whole.count - 1] {
      try folder.write("bpe_simple_vocab_16e6.txt.gz", Array(whole.prefix(count)))
      #expect(throws: DeclipError.self) { try TokenizerImporter.read(path: path) }
    }
  }

  /// A gzip file of one stored block (RFC 1951, 3.2.4; RFC 1952).
  private func gzip(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    var remainder = UInt32.max
    for byte in bytes {
      remainder ^= UInt32(byte)
      for _ in 0..<8 { remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
    return [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1] + littleEndian(UInt16(bytes.count))
      + littleEndian(~UInt16(bytes.count)) + bytes + littleEndian(~remainder)
      + littleEndian(UInt32(bytes.count))
  }
}
