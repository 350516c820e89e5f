import CImages
import Files
import Model

extension Image {
  /// The picture as a PNG file's bytes; throws `internal` where the encoder fails.
  public func png() throws(DeclipError) -> [UInt8] {
    try encodePNG(pixels, width: width, height: height, palette: [])
  }

  /// Writes the picture as a PNG file, whole or not at all; throws `cannotCreate`, `inputOutput`.
  public func writePNG(to path: String) throws(DeclipError) {
    try AtomicFile.write(png(), to: path)
  }
}

/// A picture of palette indices, as label maps are stored: `[height, width]`, 8 bits.
public struct IndexedImage: Hashable, Sendable {
  /// Columns.
  public let width: Int
  /// Rows.
  public let height: Int
  /// `[height, width]` indices into the palette, row-major.
  public let indices: [UInt8]
  /// 1 to 256 colours.
  public let palette: [Colour]

  /// An indexed picture; nil where extents and indices do not fit each other or the palette.
  public init?(width: Int, height: Int, indices: [UInt8], palette: [Colour]) {
    guard let count = Image.byteCount(width: width, height: height), count / 3 == indices.count,
      1...256 ~= palette.count, Int(indices.max() ?? 0) < palette.count
    else { return nil }
    self.width = width
    self.height = height
    self.indices = indices
    self.palette = palette
  }

  /// The picture as a PNG file's bytes; throws `internal` where the encoder fails.
  public func png() throws(DeclipError) -> [UInt8] {
    let bytes = palette.flatMap { [$0.red, $0.green, $0.blue] }
    return try encodePNG(indices, width: width, height: height, palette: bytes)
  }

  /// Writes the picture as a PNG file, whole or not at all; throws `cannotCreate`, `inputOutput`.
  public func writePNG(to path: String) throws(DeclipError) {
    try AtomicFile.write(png(), to: path)
  }
}

/// Encodes RGB pixels, or indices where there is a palette of 3 bytes a colour.
private func encodePNG(
  _ pixels: [UInt8], width: Int, height: Int, palette: [UInt8]
) throws(DeclipError) -> [UInt8] {
  var buffer = cimages_buffer()
  var failure = cimages_failure()
  defer { cimages_buffer_free(&buffer) }
  let result = pixels.withUnsafeBufferPointer { pixels in
    palette.withUnsafeBufferPointer { palette in
      cimages_png_encode(
        pixels.baseAddress, UInt32(width), UInt32(height), palette.baseAddress,
        UInt32(palette.count / 3), &buffer, &failure)
    }
  }
  guard result == 0 else {
    throw DeclipError(.internal, "the PNG encoder failed: \(failure.text)")
  }
  return Array(UnsafeBufferPointer(start: buffer.data, count: buffer.count))
}
