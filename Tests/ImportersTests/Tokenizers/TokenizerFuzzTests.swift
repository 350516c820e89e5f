import Testing

@testable import Importers
@testable import Model

/// Damaged tokenizer files are read or refused.
@Suite struct TokenizerFuzzTests {
  private static let pieces = [
    "0", "-1", "9223372036854775807", "[", "]", "{", "}", "\"", "null", ",", ":", "\\u0000",
    "\\ud800", "é", "\u{0}", "a b", "<|endoftext|>", "\n", "#",
  ]

  private func tokenizerJSON() throws -> String {
    #"{"added_tokens":[{"id":515,"content":"<|startoftext|>"},"#
      + #"{"id":516,"content":"<|endoftext|>"}],"model":{"type":"BPE","merges":["t h"],"#
      + #""end_of_word_suffix":"</w>","vocab":"#
      + (try SmallTokenizer.vocabulary(withSpecialTokens: false)) + "}}"
  }

  @Test(arguments: [1, 2])
  func damagedFilesAreReadOrRefused(seed: UInt64) throws {
    var random = Seeded(seed)
    let originals = [Array(try tokenizerJSON().utf8), Array(SmallTokenizer.mergesText.utf8)]
    for (kind, original) in originals.enumerated() {
      for round in 0..<1000 {
        let bytes = ByteView(original.mutated(with: Self.pieces, &random))
        do throws(DeclipError) {
          let data =
            kind == 0
            ? try TokenizerJSON(try JSON.parse(bytes)).tokenizer()
            : try MergesText(bytes).tokenizer()
          #expect(data.vocabulary.indices.contains(data.endToken))
        } catch {
          #expect(error.kind == .badData, "seed \(seed), round \(round): \(error)")
        }
      }
    }
  }
}
