import Model

/// A picture in memory: 8-bit RGB, interleaved, rows from top to bottom.
public struct Image: Hashable, Sendable {
  /// Columns.
  public let width: Int
  /// Rows.
  public let height: Int
  /// `[height, width, 3]`, row-major.
  public var pixels: [UInt8]

  /// The largest number of pixels that is read unless another is given, so that a small file cannot
  /// claim a huge picture.
  public static let maximumPixelCount = 1 << 28

  /// A picture over `pixels`; nil where their number is not `3 * width * height`, or an extent
  /// is not positive.
  public init?(width: Int, height: Int, pixels: [UInt8]) {
    guard let count = Image.byteCount(width: width, height: height), count == pixels.count else {
      return nil
    }
    self.init(checkedWidth: width, height: height, pixels: pixels)
  }

  /// A picture of one colour; extents are raised to at least 1.
  public init(width: Int, height: Int, filledWith colour: Colour) {
    let (width, height) = (max(1, width), max(1, height))
    var pixels: [UInt8] = []
    pixels.reserveCapacity(3 * width * height)
    for _ in 0..<width * height {
      pixels.append(colour.red)
      pixels.append(colour.green)
      pixels.append(colour.blue)
    }
    self.init(checkedWidth: width, height: height, pixels: pixels)
  }

  /// A picture whose pixel count its maker guarantees.
  init(checkedWidth width: Int, height: Int, pixels: [UInt8]) {
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// The colour at a position, which must lie inside.
  public subscript(x: Int, y: Int) -> Colour {
    get {
      let at = 3 * (y * width + x)
      return Colour(pixels[at], pixels[at + 1], pixels[at + 2])
    }
    set {
      let at = 3 * (y * width + x)
      pixels[at] = newValue.red
      pixels[at + 1] = newValue.green
      pixels[at + 2] = newValue.blue
    }
  }

  /// The bytes a picture takes; nil where it has no pixel or more than can be counted.
  static func byteCount(width: Int, height: Int) -> Int? {
    let (count, overflow) = width.multipliedReportingOverflow(by: height)
    guard width > 0, height > 0, !overflow, count <= Int.max / 3 else { return nil }
    return 3 * count
  }

  /// The bytes that a file's picture takes; throws `badData` where it has no pixel or more than
  /// `limit`.
  static func byteCount(
    width: Int, height: Int, limit: Int
  ) throws(DeclipError) -> Int {
    guard let bytes = byteCount(width: width, height: height), bytes / 3 <= limit else {
      let (count, overflow) = width.multipliedReportingOverflow(by: height)
      throw DeclipError(
        .badData,
        "has \(width) x \(height) pixels" + (overflow || count == 0 ? "" : ", \(count) in all"),
        expected: "1 to \(limit)", remedy: "make it smaller, or allow more with --max-pixels")
    }
    return bytes
  }
}

/// An opaque sRGB colour.
public struct Colour: Hashable, Sendable {
  /// Red, 0 to 255.
  public var red: UInt8
  /// Green, 0 to 255.
  public var green: UInt8
  /// Blue, 0 to 255.
  public var blue: UInt8

  /// Makes a colour from its components.
  public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    self.red = red
    self.green = green
    self.blue = blue
  }

  /// A colour as web pages write it, `0xRRGGBB`.
  init(hex: UInt32) {
    self.init(UInt8(hex >> 16 & 255), UInt8(hex >> 8 & 255), UInt8(hex & 255))
  }

  /// This colour under `share` (0...1) of another.
  func mixed(with other: Colour, share: Float) -> Colour {
    func mix(_ a: UInt8, _ b: UInt8) -> UInt8 {
      UInt8(min(255, max(0, Float(a) + (Float(b) - Float(a)) * share + 0.5)))
    }
    return Colour(mix(red, other.red), mix(green, other.green), mix(blue, other.blue))
  }
}
