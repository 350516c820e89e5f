import Model

/// CLIP's byte-pair tokenizer: equal to the original on every text that was decoded rightly.
///
/// A text is cleaned and lower-cased, split into words, and every word's bytes are merged pair
/// by pair, the pair of lowest rank first (Sennrich et al., arXiv 1508.07909). See
/// `TextCleaning` for the one step of the original that is left out.
public struct Tokenizer: Sendable {
  /// The id that starts every text.
  public let startToken: Int
  /// The id that ends every text.
  public let endToken: Int
  /// The id that fills the context after the end token.
  public let padToken: Int
  /// The number of token ids.
  public let vocabularySize: Int

  private let splitter: WordSplitter
  private let merges: MergeTable
  /// The id of every byte inside a word, and at its end.
  private let bytes: [Int32]
  private let finalBytes: [Int32]

  /// Builds the tokenizer; throws `badData` where ids, bytes or merged symbols are missing from
  /// the vocabulary.
  public init(_ data: TokenizerData) throws(DeclipError) {
    vocabularySize = data.vocabulary.count
    guard vocabularySize <= 1 << 24, data.merges.count <= 1 << 24 else {
      throw DeclipError(
        .badData, "has \(vocabularySize) tokens and \(data.merges.count) merges",
        place: "tokenizer", expected: "at most \(1 << 24) of each")
    }
    for (name, token) in [
      ("start", data.startToken), ("end", data.endToken), ("padding", data.padToken),
    ] where !data.vocabulary.indices.contains(token) {
      throw DeclipError(
        .badData, "the \(name) token is \(token)", place: "tokenizer",
        expected: "an id below the vocabulary's size \(vocabularySize)")
    }
    startToken = data.startToken
    endToken = data.endToken
    padToken = data.padToken
    splitter = WordSplitter(
      specials: [data.startToken, data.endToken].map { Array(data.vocabulary[$0].unicodeScalars) })

    var symbols = SymbolTable(capacity: vocabularySize)
    for (id, symbol) in data.vocabulary.enumerated() where symbols.insert(symbol) == nil {
      throw DeclipError(
        .badData, "token \(id) '\(symbol)' is listed twice", place: "tokenizer")
    }
    bytes = try Tokenizer.byteTokens(symbols, ending: "")
    finalBytes = try Tokenizer.byteTokens(symbols, ending: "</w>")

    var merges = MergeTable(capacity: data.merges.count)
    for (rank, merge) in data.merges.enumerated() {
      guard let left = symbols.number(of: merge.left),
        let right = symbols.number(of: merge.right),
        let result = symbols.number(of: merge.left, merge.right)
      else {
        throw DeclipError(
          .badData,
          "merge \(rank) of '\(merge.left)' and '\(merge.right)' needs a token that is missing",
          place: "tokenizer", expected: "vocabulary and merges of the same tokenizer")
      }
      merges.insert(
        Int32(left), Int32(right), MergeTable.Merge(rank: Int32(rank), result: Int32(result)))
    }
    self.merges = merges
  }

  /// The ids of a text, start and end token included, `contextLength` of them.
  ///
  /// Shorter texts are padded; longer ones are cut, and end with the end token all the same.
  public func encode(_ text: String, contextLength: Int) -> [Int32] {
    guard contextLength > 0 else { return [] }
    var tokens = [Int32(startToken)] + encode(text, upTo: contextLength) + [Int32(endToken)]
    if tokens.count > contextLength {
      tokens.removeLast(tokens.count - contextLength)
      tokens[contextLength - 1] = Int32(endToken)
    }
    tokens += [Int32](repeating: Int32(padToken), count: contextLength - tokens.count)
    return tokens
  }

  /// How many ids a text takes, start and end token included: more than a model's context where
  /// `encode` would cut it.
  public func count(_ text: String) -> Int { encode(text, upTo: .max).count + 2 }

  /// The ids of a text alone; a word that reaches `limit` ids is the last.
  private func encode(_ text: String, upTo limit: Int) -> [Int32] {
    let scalars = TextCleaning.cleaned(text)
    var tokens: [Int32] = []
    var position = 0
    while tokens.count < limit, let word = splitter.next(in: scalars, from: &position) {
      switch word {
      case .special(let index): tokens.append(Int32(index == 0 ? startToken : endToken))
      case .text(let word): tokens += merged(word)
      }
    }
    return tokens
  }

  /// A word's ids: its bytes, merged until no pair has a rank.
  private func merged(_ word: ArraySlice<Unicode.Scalar>) -> [Int32] {
    let utf8 = word.flatMap { Array(UTF8.encode($0) ?? .init()) }
    var symbols = utf8.enumerated().map { index, byte in
      index == utf8.count - 1 ? finalBytes[Int(byte)] : bytes[Int(byte)]
    }
    while symbols.count > 1 {
      var best: (merge: MergeTable.Merge, left: Int32, right: Int32)?
      for index in 1..<symbols.count {
        if let merge = merges[symbols[index - 1], symbols[index]],
          merge.rank < best?.merge.rank ?? .max
        {
          best = (merge, symbols[index - 1], symbols[index])
        }
      }
      guard let best else { break }
      var next: [Int32] = []
      next.reserveCapacity(symbols.count)
      var index = 0
      while index < symbols.count {
        if index + 1 < symbols.count, symbols[index] == best.left, symbols[index + 1] == best.right
        {
          next.append(best.merge.result)
          index += 2
        } else {
          next.append(symbols[index])
          index += 1
        }
      }
      symbols = next
    }
    return symbols
  }

  /// The ids of the 256 bytes, spelled in GPT-2's alphabet: printable Latin-1 stands for itself,
  /// other bytes follow from U+0100 on.
  private static func byteTokens(
    _ symbols: SymbolTable, ending: String
  ) throws(DeclipError) -> [Int32] {
    var tokens: [Int32] = []
    var next: UInt32 = 0x100
    for byte in UInt32(0)..<256 {
      let isPrintable = 0x21...0x7e ~= byte || 0xa1...0xac ~= byte || 0xae...0xff ~= byte
      let spelling = isPrintable ? byte : next
      if !isPrintable { next += 1 }
      let symbol = (Unicode.Scalar(spelling).map { String(Character($0)) } ?? "") + ending
      guard let token = symbols.number(of: symbol) else {
        throw DeclipError(
          .badData, "the vocabulary has no token '\(symbol)' for byte \(byte)",
          place: "tokenizer", expected: "a byte-level vocabulary as CLIP's")
      }
      tokens.append(Int32(token))
    }
    return tokens
  }
}
