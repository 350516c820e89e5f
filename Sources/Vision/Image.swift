/// A picture of 8-bit red, green and blue.
public struct Image: Hashable, Sendable {
  /// Pixels from left to right.
  public let width: Int
  /// Pixels from top to bottom.
  public let height: Int
  /// `[height, width, 3]`, row-major, red first.
  public private(set) var pixels: [UInt8]

  /// A picture of `pixels`; nil where their number is not `3 * width * height` or a side is zero.
  public init?(width: Int, height: Int, pixels: [UInt8]) {
    let (area, overflow) = width.multipliedReportingOverflow(by: height)
    guard width > 0, height > 0, !overflow, area <= Int.max / 3, pixels.count == 3 * area else {
      return nil
    }
    self.width = width
    self.height = height
    self.pixels = pixels
  }
}
