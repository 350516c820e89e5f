import Model

/// The picture formats that are told apart by their first bytes.
enum ImageFormat: String, CaseIterable {
  case jpeg = "JPEG"
  case png = "PNG"
  case gif = "GIF"
  case webP = "WebP"
  case heif = "HEIC or AVIF"
  case bitmap = "BMP"
  case tiff = "TIFF"
  case jpegXL = "JPEG XL"
  case jpeg2000 = "JPEG 2000"

  /// The format of a file that starts with `bytes`; nil where none is recognised.
  init?(startingWith bytes: UnsafeRawBufferPointer) {
    func has(_ signature: [UInt8], at offset: Int = 0) -> Bool {
      bytes.count >= offset + signature.count
        && signature.indices.allSatisfy { bytes[offset + $0] == signature[$0] }
    }
    func has(_ text: StaticString, at offset: Int = 0) -> Bool {
      has(text.withUTF8Buffer { Array($0) }, at: offset)
    }
    if has([0xff, 0xd8, 0xff]) {
      self = .jpeg
    } else if has([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) {
      self = .png
    } else if has("GIF8") {
      self = .gif
    } else if has("RIFF"), has("WEBP", at: 8) {
      self = .webP
    } else if has("ftyp", at: 4) {
      self = .heif
    } else if has("BM") {
      self = .bitmap
    } else if has([0x49, 0x49, 0x2a, 0]) || has([0x4d, 0x4d, 0, 0x2a]) {
      self = .tiff
    } else if has([0xff, 0x0a]) || has("JXL ", at: 4) {
      self = .jpegXL
    } else if has("jP  ", at: 4) {
      self = .jpeg2000
    } else {
      return nil
    }
  }
}

extension Image {
  /// Whether a file's content begins like a picture, of a format that can be read or another.
  public static func isPicture(_ bytes: ByteView) -> Bool {
    bytes.withUnsafeBytes { ImageFormat(startingWith: $0) != nil }
  }
}
