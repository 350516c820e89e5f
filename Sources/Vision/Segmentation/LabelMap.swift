import CImages
import Files
import Model

/// The class of every pixel as an annotator gave it.
public struct LabelMap: Hashable, Sendable {
  /// Columns.
  public let width: Int
  /// Rows.
  public let height: Int
  /// `[height, width]` labels as they are stored, row-major.
  public let labels: [UInt16]

  /// A map over `labels`; nil where their number is not `width * height`, or an extent is not
  /// positive.
  public init?(width: Int, height: Int, labels: [UInt16]) {
    guard let count = Image.byteCount(width: width, height: height), count / 3 == labels.count
    else { return nil }
    self.width = width
    self.height = height
    self.labels = labels
  }

  /// Reads a PNG file whose palette indices or grey levels, of 1 to 16 bits, are labels.
  ///
  /// Throws `missingInput` where the file cannot be opened, `badData` where it has more pixels than
  /// `limit`, or is no such PNG: lossy formats and colours would invent labels.
  public init(path: String, limit: Int = Image.maximumPixelCount) throws(DeclipError) {
    let bytes = try ByteView(contentsOf: path)
    do throws(DeclipError) {
      self = try bytes.withUnsafeBytes { bytes throws(DeclipError) in
        try LabelMap(bytes, limit)
      }
    } catch {
      throw error.inFile(path)
    }
  }

  private init(_ bytes: UnsafeRawBufferPointer, _ limit: Int) throws(DeclipError) {
    let size = try Image.pngSize(bytes, for: "label map", limit: limit)
    var failure = cimages_failure()
    var result: Int32 = 0
    let data = bytes.assumingMemoryBound(to: UInt8.self)
    let count = size.width * size.height
    let labels = [UInt16](unsafeUninitializedCapacity: count) { buffer, initialized in
      result = cimages_png_numbers(
        data.baseAddress, data.count, buffer.baseAddress, count, &failure)
      initialized = result == 0 ? count : 0
    }
    guard result == 0 else {
      throw DeclipError(
        .badData, "cannot be read as a label map: \(failure.text)",
        expected: "an undamaged PNG of palette indices or grey levels")
    }
    self.width = size.width
    self.height = size.height
    self.labels = labels
  }
}

/// The segment of every pixel in the panoptic format of COCO: numbers `R + 256 G + 65536 B`.
public struct PanopticMask: Hashable, Sendable {
  /// Columns.
  public let width: Int
  /// Rows.
  public let height: Int
  /// `[height, width]` numbers of segments, row-major; 0 is none.
  public let segments: [UInt32]

  /// Reads a PNG file; throws `missingInput` where it cannot be opened, `badData` where it is
  /// damaged, has more pixels than `limit`, or is another format, which would not keep the numbers.
  public init(path: String, limit: Int = Image.maximumPixelCount) throws(DeclipError) {
    let bytes = try ByteView(contentsOf: path)
    do throws(DeclipError) {
      try bytes.withUnsafeBytes { bytes throws(DeclipError) in
        _ = try Image.pngSize(bytes, for: "panoptic mask", limit: limit)
      }
      let image = try Image(file: bytes, limit: limit)
      width = image.width
      height = image.height
      segments = image.pixels.withUnsafeBufferPointer { pixels in
        (0..<image.width * image.height).map { index in
          UInt32(pixels[3 * index]) | UInt32(pixels[3 * index + 1]) << 8
            | UInt32(pixels[3 * index + 2]) << 16
        }
      }
    } catch {
      throw error.inFile(path)
    }
  }
}

extension Image {
  /// The checked extents of a PNG file; throws `badData` where it is another format, damaged or too
  /// large.
  static func pngSize(
    _ bytes: UnsafeRawBufferPointer, for purpose: String, limit: Int
  ) throws(DeclipError) -> (width: Int, height: Int) {
    let format = ImageFormat(startingWith: bytes)
    guard format == .png else {
      throw DeclipError(
        .badData, format.map { "is a \($0.rawValue) picture" } ?? "is not a picture",
        expected: "a PNG \(purpose)")
    }
    let data = bytes.assumingMemoryBound(to: UInt8.self)
    var (size, failure) = (cimages_size(), cimages_failure())
    guard cimages_png_size(data.baseAddress, data.count, &size, &failure) == 0 else {
      throw DeclipError(.badData, "is a damaged PNG file: \(failure.text)")
    }
    let (width, height) = (Int(size.width), Int(size.height))
    _ = try byteCount(width: width, height: height, limit: limit)
    return (width, height)
  }
}
