import Testing

@testable import Model
@testable import Vision

@Suite struct TokenizerTests {
  @Test func tokensAreTheOriginals() throws {
    let tokenizer = try Tokenizer(Goldens.tokenizerData())
    for golden in try Goldens.texts() {
      let tokens = tokenizer.encode(golden.text, contextLength: 24)
      #expect(tokens == golden.tokens, "\(golden.text.debugDescription)")
    }
  }

  @Test func truncationKeepsTheEnd() throws {
    let tokenizer = try Tokenizer(Goldens.tokenizerData())
    let text = String(repeating: "zebra ", count: 40)
    for length in 1...8 {
      let tokens = tokenizer.encode(text, contextLength: length)
      #expect(tokens.count == length && tokens.last == Int32(tokenizer.endToken))
    }
    #expect(tokenizer.count(text) > 40)
    #expect(tokenizer.count("") == 2)
    #expect(tokenizer.encode("a", contextLength: 0) == [])
  }

  @Test func canonicallyEqualTokensStayApart() {
    var table = SymbolTable(capacity: 2)
    #expect(table.insert("\u{e9}") == 0)
    #expect(table.insert("e\u{301}") == 1)
    #expect(table.insert("\u{e9}") == nil)
    #expect(table.number(of: "e", "\u{301}") == 1)
    #expect(table.number(of: "e") == nil)
  }

  @Test func brokenDataIsNamed() throws {
    let data = try Goldens.tokenizerData()
    var broken = data
    broken.endToken = 100_000
    #expect(
      message { try Tokenizer(broken) }
        == "tokenizer: the end token is 100000, expected an id below the vocabulary's size 814")
    broken = data
    broken.merges.append(.init("zz", "qq"))
    #expect(
      message { try Tokenizer(broken) }
        == "tokenizer: merge 300 of 'zz' and 'qq' needs a token that is missing, expected "
        + "vocabulary and merges of the same tokenizer")
    broken = data
    broken.vocabulary[700] = broken.vocabulary[3]
    #expect(message { try Tokenizer(broken) } == "tokenizer: token 700 '$' is listed twice")
    broken = data
    broken.vocabulary[0] = "somethingelse"
    #expect(message { try Tokenizer(broken) }?.contains("no token '!' for byte 33") == true)
  }
}
