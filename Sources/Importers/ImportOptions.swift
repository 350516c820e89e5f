import Model

/// What the user may decide about an import; everything else is read from the files.
public struct ImportOptions: Sendable {
  /// The feed-forward nonlinearity, where it is not recorded or recorded wrongly. In EVA02 models
  /// it is the text tower's; the vision tower's is part of the family.
  public var activation: Activation?
  /// The attention heads of the vision tower, likewise.
  public var heads: Int?
  /// A tokenizer file or a folder that holds one; nil looks beside the checkpoint.
  public var tokenizerPath: String?
  /// Whether to leave out the text tower and its tokenizer.
  public var visionOnly: Bool
  /// Whether external data of an ONNX graph may be links that lead out of its folder.
  public var allowsExternalLinks: Bool

  /// Makes options; the defaults decide nothing.
  public init(
    activation: Activation? = nil, heads: Int? = nil, tokenizerPath: String? = nil,
    visionOnly: Bool = false, allowsExternalLinks: Bool = false
  ) {
    self.activation = activation
    self.heads = heads
    self.tokenizerPath = tokenizerPath
    self.visionOnly = visionOnly
    self.allowsExternalLinks = allowsExternalLinks
  }
}
