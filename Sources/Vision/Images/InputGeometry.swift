import Model

/// Where a picture lies in a network's input: fitted inside, at the top left, black elsewhere.
public struct InputGeometry: Hashable, Sendable {
  /// How much of the input is padding.
  public enum Fit: String, Hashable, Sendable, CaseIterable {
    /// A square input whatever the picture, as the reference implementation has it.
    case square
    /// Padding up to the next multiple of the patch size only: pictures that are not square cost
    /// less.
    case aspect
  }

  /// The picture's columns.
  public let pictureWidth: Int
  /// The picture's rows.
  public let pictureHeight: Int
  /// The input's columns, a multiple of `patchSize`.
  public let width: Int
  /// The input's rows, a multiple of `patchSize`.
  public let height: Int
  /// The columns that the resized picture takes, 1 to `width`.
  public let contentWidth: Int
  /// The rows that the resized picture takes, 1 to `height`.
  public let contentHeight: Int
  /// The extent of a patch, in input pixels.
  public let patchSize: Int

  /// The largest input extent that is accepted.
  public static let maximumExtent = 1 << 14

  /// Fits a picture's longer side to `size`, a multiple of `patchSize`.
  ///
  /// The shorter side is `round(side * size / longer side)`, at least 1. Throws `usage` where
  /// `size` does not suit.
  public init(
    pictureWidth: Int, pictureHeight: Int, size: Int, patchSize: Int, fit: Fit
  ) throws(DeclipError) {
    try InputGeometry.check(size, patchSize)
    let scale = Double(size) / Double(max(pictureWidth, pictureHeight))
    let contentWidth = InputGeometry.scaled(pictureWidth, by: scale, upTo: size)
    let contentHeight = InputGeometry.scaled(pictureHeight, by: scale, upTo: size)
    func padded(_ extent: Int) -> Int {
      fit == .square ? size : (extent + patchSize - 1) / patchSize * patchSize
    }
    self.init(
      pictureWidth, pictureHeight, padded(contentWidth), padded(contentHeight), contentWidth,
      contentHeight, patchSize)
  }

  /// Fits a picture inside an input of `width` x `height`, both multiples of `patchSize`.
  ///
  /// Throws `usage` where they do not suit.
  public init(
    pictureWidth: Int, pictureHeight: Int, width: Int, height: Int, patchSize: Int
  ) throws(DeclipError) {
    try InputGeometry.check(width, patchSize)
    try InputGeometry.check(height, patchSize)
    let scale = min(
      Double(width) / Double(pictureWidth), Double(height) / Double(pictureHeight))
    self.init(
      pictureWidth, pictureHeight, width, height,
      InputGeometry.scaled(pictureWidth, by: scale, upTo: width),
      InputGeometry.scaled(pictureHeight, by: scale, upTo: height), patchSize)
  }

  /// Fits a picture's shorter side to `shorterSide`, a multiple of `patchSize`, and pads to the next
  /// patch.
  ///
  /// The longer side is `round(side * shorterSide / shorter side)`. Throws `usage` where
  /// `shorterSide` does not suit, or where the longer side becomes more than `maximumExtent`.
  public init(
    pictureWidth: Int, pictureHeight: Int, shorterSide: Int, patchSize: Int
  ) throws(DeclipError) {
    try InputGeometry.check(shorterSide, patchSize)
    let scale = Double(shorterSide) / Double(min(pictureWidth, pictureHeight))
    func extents(_ extent: Int) throws(DeclipError) -> (content: Int, padded: Int) {
      let content = (Double(extent) * scale).rounded(.toNearestOrEven)
      let limit = InputGeometry.maximumExtent / patchSize * patchSize
      guard content <= Double(limit) else {
        throw DeclipError(
          .usage,
          "a picture of \(pictureWidth) x \(pictureHeight) is too long for windows of "
            + "\(shorterSide)", expected: "at most \(limit) pixels along the longer side",
          remedy: "give the longer side with --size")
      }
      return (Int(content), (Int(content) + patchSize - 1) / patchSize * patchSize)
    }
    let (columns, rows) = (try extents(pictureWidth), try extents(pictureHeight))
    self.init(
      pictureWidth, pictureHeight, columns.padded, rows.padded, columns.content, rows.content,
      patchSize)
  }

  private init(
    _ pictureWidth: Int, _ pictureHeight: Int, _ width: Int, _ height: Int, _ contentWidth: Int,
    _ contentHeight: Int, _ patchSize: Int
  ) {
    self.pictureWidth = pictureWidth
    self.pictureHeight = pictureHeight
    self.width = width
    self.height = height
    self.contentWidth = contentWidth
    self.contentHeight = contentHeight
    self.patchSize = patchSize
  }

  /// Rows of patches in the input.
  public var gridRows: Int { height / patchSize }
  /// Columns of patches in the input.
  public var gridColumns: Int { width / patchSize }
  /// Rows of patches that show any of the picture.
  public var contentRows: Int { (contentHeight + patchSize - 1) / patchSize }
  /// Columns of patches that show any of the picture.
  public var contentColumns: Int { (contentWidth + patchSize - 1) / patchSize }

  /// Input pixels a picture pixel, horizontally; boxes on the picture scale by it.
  public var scaleX: Double { Double(contentWidth) / Double(pictureWidth) }
  /// Input pixels a picture pixel, vertically.
  public var scaleY: Double { Double(contentHeight) / Double(pictureHeight) }

  private static func scaled(_ extent: Int, by scale: Double, upTo limit: Int) -> Int {
    max(1, min(limit, Int((Double(extent) * scale).rounded(.toNearestOrEven))))
  }

  static func check(_ extent: Int, _ patchSize: Int) throws(DeclipError) {
    guard patchSize > 0, extent > 0, extent <= maximumExtent, extent % patchSize == 0 else {
      let step = max(1, patchSize)
      let nearest = max(step, (min(extent, maximumExtent) + step / 2) / step * step)
      throw DeclipError(
        .usage, "the input size \(extent) does not suit the model",
        expected: "a multiple of its patch size \(patchSize), at most \(maximumExtent)",
        remedy: "use \(nearest)")
    }
  }
}
