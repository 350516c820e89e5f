/// One picture of a report, labelled by the float model and by the quantised one.
public struct ReportPicture: Sendable {
  /// The picture's name.
  public var name: String
  /// The picture itself, a PNG file's bytes as all others.
  public var picture: [UInt8]
  /// The float model's labels over the picture.
  public var float: [UInt8]
  /// The quantised model's labels over the picture.
  public var quantized: [UInt8]
  /// Where the two differ.
  public var changes: [UInt8]
  /// The share of pixels, 0 to 1, with the same label.
  public var labelAgreement: Double
  /// How near the dense features of the two are.
  public var content: ContentError
  /// The classes that occur on either side, with their colours as `#rrggbb`.
  public var classes: [(name: String, colour: String)]

  /// Makes a picture.
  public init(
    name: String, picture: [UInt8], float: [UInt8], quantized: [UInt8], changes: [UInt8],
    labelAgreement: Double, content: ContentError, classes: [(name: String, colour: String)]
  ) {
    self.name = name
    self.picture = picture
    self.float = float
    self.quantized = quantized
    self.changes = changes
    self.labelAgreement = labelAgreement
    self.content = content
    self.classes = classes
  }
}
