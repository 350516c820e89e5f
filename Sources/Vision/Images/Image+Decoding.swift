import CImages
import Files
import Model

extension Image {
  /// Reads a JPEG or PNG file, upright: a JPEG's EXIF orientation is applied.
  ///
  /// As in Pillow's `convert("RGB")`, alpha is dropped, and CMYK is taken as Adobe writes it.
  /// Throws `missingInput` where the file cannot be opened, `inputOutput` where it cannot be read,
  /// `badData` where it is another format, damaged, cut short, or has more pixels than `limit`.
  public init(path: String, limit: Int = maximumPixelCount) throws(DeclipError) {
    let bytes = try ByteView(contentsOf: path)
    do {
      try self.init(file: bytes, limit: limit)
    } catch {
      throw error.inFile(path)
    }
  }

  /// Decodes the content of a JPEG or PNG file; throws `badData` as `init(path:)` does.
  public init(file bytes: ByteView, limit: Int = maximumPixelCount) throws(DeclipError) {
    self = try bytes.withUnsafeBytes { bytes throws(DeclipError) in
      switch ImageFormat(startingWith: bytes) {
      case .jpeg:
        let image = try Image(
          bytes, .jpeg, limit, size: cimages_jpeg_size, decode: cimages_jpeg_decode)
        return image.upright(from: EXIFOrientation(ofJPEG: bytes))
      case .png:
        return try Image(
          bytes, .png, limit, size: cimages_png_size, decode: cimages_png_decode)
      case .some(let other):
        throw DeclipError(
          .badData, "is a \(other.rawValue) picture", expected: "JPEG or PNG",
          remedy: "convert it to JPEG or PNG first")
      case nil:
        throw DeclipError(
          .badData, bytes.isEmpty ? "is empty" : "is not a picture", expected: "JPEG or PNG")
      }
    }
  }

  private typealias SizeFunction = (
    UnsafePointer<UInt8>?, Int, UnsafeMutablePointer<cimages_size>?,
    UnsafeMutablePointer<cimages_failure>?
  ) -> Int32
  private typealias DecodeFunction = (
    UnsafePointer<UInt8>?, Int, UnsafeMutablePointer<UInt8>?, Int,
    UnsafeMutablePointer<cimages_failure>?
  ) -> Int32

  private init(
    _ bytes: UnsafeRawBufferPointer, _ format: ImageFormat, _ limit: Int,
    size readSize: SizeFunction, decode: DecodeFunction
  ) throws(DeclipError) {
    let data = bytes.assumingMemoryBound(to: UInt8.self)
    var size = cimages_size()
    var failure = cimages_failure()
    guard readSize(data.baseAddress, data.count, &size, &failure) == 0 else {
      throw DeclipError(.badData, "is a damaged \(format.rawValue) file: \(failure.text)")
    }
    let (width, height) = (Int(size.width), Int(size.height))
    let count = try Image.byteCount(width: width, height: height, limit: limit)
    var result: Int32 = 0
    let pixels = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      result = decode(data.baseAddress, data.count, buffer.baseAddress, count, &failure)
      initialized = result == 0 ? count : 0
    }
    guard result == 0 else {
      throw DeclipError(
        .badData, "is a damaged or incomplete \(format.rawValue) file: \(failure.text)")
    }
    self.init(checkedWidth: width, height: height, pixels: pixels)
  }
}

extension cimages_failure {
  /// The message as text.
  var text: String {
    withUnsafeBytes(of: message) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}
