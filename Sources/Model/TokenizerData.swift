/// The data of a byte-pair tokenizer as CLIP uses it: an ordered vocabulary and ordered merges.
///
/// Entries are spelled in the byte-level alphabet of GPT-2, where every byte has a printable
/// character and `</w>` ends a word.
public struct TokenizerData: Hashable, Sendable {
  /// The spelling of every token, by id.
  public var vocabulary: [String]
  /// The pairs that are merged, the most frequent first.
  public var merges: [Merge]
  /// The id that starts every text.
  public var startToken: Int
  /// The id that ends every text.
  public var endToken: Int
  /// The id that fills the context after the end token.
  public var padToken: Int

  /// One merge of two neighbouring symbols into one.
  public struct Merge: Hashable, Sendable {
    /// The left symbol.
    public var left: String
    /// The right symbol.
    public var right: String

    /// Makes a merge.
    public init(_ left: String, _ right: String) {
      self.left = left
      self.right = right
    }
  }

  /// Makes tokenizer data from its parts.
  public init(
    vocabulary: [String], merges: [Merge], startToken: Int, endToken: Int, padToken: Int
  ) {
    self.vocabulary = vocabulary
    self.merges = merges
    self.startToken = startToken
    self.endToken = endToken
    self.padToken = padToken
  }
}
