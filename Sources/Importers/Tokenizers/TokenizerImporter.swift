import Files
import Model

/// Reads CLIP's tokenizer from the files that libraries distribute it in: `tokenizer.json`,
/// `vocab.json` with `merges.txt`, or `bpe_simple_vocab_16e6.txt.gz`.
public enum TokenizerImporter {
  /// Reads a tokenizer file, or the first one of a folder in the order above. What a file is, is
  /// told from its content.
  ///
  /// The pad token is 0, as OpenAI's and OpenCLIP's code pads. Throws `missingInput` where there
  /// is none, `badData` for one that contradicts itself or is not CLIP's.
  public static func read(path: String) throws(DeclipError) -> TokenizerData {
    try read(path, usesNamedPadToken: false).data
  }

  /// The tokenizer at `path`, else the one beside a checkpoint, else nil.
  static func find(
    path: String?, beside source: CheckpointSource, usesNamedPadToken: Bool
  ) throws(DeclipError) -> TokenizerSource? {
    if let path { return try read(path, usesNamedPadToken: usesNamedPadToken) }
    guard let path = file(in: Path.folder(of: source.path)) else { return nil }
    return try read(path, usesNamedPadToken: usesNamedPadToken)
  }

  private static func read(
    _ path: String, usesNamedPadToken: Bool
  ) throws(DeclipError) -> TokenizerSource {
    var path = path
    if Path.isFolder(path) {
      guard let file = file(in: path) else {
        throw DeclipError(
          .missingInput, "holds no tokenizer", file: path, expected: usualNames)
      }
      path = file
    }
    do {
      var data = try content(of: path)
      if usesNamedPadToken { data.padToken = try namedPadToken(of: data, beside: path) }
      return TokenizerSource(path: path, data: data)
    } catch {
      throw error.inFile(path)
    }
  }

  private static let usualNames =
    "tokenizer.json, vocab.json with merges.txt, or bpe_simple_vocab_16e6.txt.gz"

  private static func file(in folder: String) -> String? {
    let needed = [
      ["tokenizer.json"], ["vocab.json", "merges.txt"], ["bpe_simple_vocab_16e6.txt.gz"],
      ["bpe_simple_vocab_16e6.txt"],
    ]
    let found = needed.first { $0.allSatisfy { Path.exists(Path.join(folder, $0)) } }
    return found?.first.map { Path.join(folder, $0) }
  }

  private static func content(of path: String) throws(DeclipError) -> TokenizerData {
    let bytes = try MappedFile(path: path).bytes
    let start = bytes.slice(offset: 0, length: UInt64(min(bytes.count, 2)))
      .map { $0.withUnsafeBytes { Array($0) } }
    if start == [0x1F, 0x8B] { return try MergesText(try inflateGzip(bytes)).tokenizer() }
    guard start?.first == UInt8(ascii: "{") else { return try MergesText(bytes).tokenizer() }
    let json = try JSON.parse(bytes)
    // A vocabulary may have a token "model", but its id is no object.
    if json.object?["model"]?.object != nil { return try TokenizerJSON(json).tokenizer() }
    return try tokenizer(ofVocabulary: json, path: path)
  }

  /// The tokenizer of a `vocab.json` and the `merges.txt` in its folder.
  private static func tokenizer(
    ofVocabulary json: JSON, path: String
  ) throws(DeclipError) -> TokenizerData {
    let mergesPath = Path.join(Path.folder(of: path), "merges.txt")
    var vocabulary = TokenVocabulary()
    try vocabulary.add(json, place: "vocabulary")
    let mergesBytes = try MappedFile(path: mergesPath).bytes
    do {
      return try vocabulary.tokenizer(merges: try MergesText(mergesBytes).merges)
    } catch {
      throw error.inFile(mergesPath)
    }
  }

  /// The pad token that the files of `transformers` name; the end token where they name none,
  /// the library's default.
  private static func namedPadToken(
    of data: TokenizerData, beside path: String
  ) throws(DeclipError) -> Int {
    for name in ["special_tokens_map.json", "tokenizer_config.json"] {
      let file = Path.join(Path.folder(of: path), name)
      guard Path.exists(file) else { continue }
      let json = try JSON.read(path: file)
      guard let entry = json.member(["pad_token", "content"]) ?? json.member(["pad_token"])
      else { continue }
      guard let text = entry.string,
        let id = data.vocabulary.firstIndex(where: { ByteString($0) == ByteString(text) })
      else {
        throw DeclipError(
          .badData, "is \(entry.described)", file: file, place: "'pad_token'",
          offset: entry.offset, expected: "a token of the vocabulary")
      }
      return id
    }
    return data.endToken
  }
}

/// A tokenizer and the file that it was read from.
struct TokenizerSource {
  let path: String
  let data: TokenizerData

  /// Throws `badData` where the tokenizer has ids that the model has no embedding for.
  func check(vocabularySize: Int) throws(DeclipError) {
    guard data.vocabulary.count <= vocabularySize else {
      throw DeclipError(
        .badData, "the vocabulary has \(data.vocabulary.count) tokens", file: path,
        expected: "at most the \(vocabularySize) rows of the token embedding",
        remedy: "the tokenizer belongs to another model: pass the right one with --tokenizer")
    }
  }
}
