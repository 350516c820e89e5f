import Files
import Model

/// The format of a foreign file, told from its content and not from its name.
enum FileFormat {
  case safetensors
  case safetensorsIndex
  /// A format that is known but not read, in words.
  case unsupported(String)

  /// The format of a whole file; anything that is not recognised is left to the safetensors
  /// reader to complain about.
  static func of(_ file: ByteView) -> FileFormat {
    file.withUnsafeBytes { bytes in
      // A header's length may begin with any bytes, so this comes before all magic numbers.
      if bytes.count > 8, bytes[8] == UInt8(ascii: "{"),
        UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
          <= UInt64(SafetensorsHeader.largestLength)
      {
        return .safetensors
      }
      for (magic, name) in magicNumbers where bytes.starts(with: magic) {
        return .unsupported(name)
      }
      // Pickle protocols 2 to 5, and the first field of an ONNX model, its version.
      if bytes.count > 1 {
        if bytes[0] == 0x80 && (2...5).contains(bytes[1]) {
          return .unsupported("a PyTorch pickle")
        }
        if bytes[0] == 0x08 && (1...32).contains(bytes[1]) { return .unsupported("an ONNX model") }
      }
      let space: [UInt8] = [0x20, 0x09, 0x0A, 0x0D]
      if bytes.first(where: { !space.contains($0) }) == UInt8(ascii: "{") {
        return .safetensorsIndex
      }
      return .safetensors
    }
  }

  private static let magicNumbers: [(magic: [UInt8], name: String)] = [
    (Array("PK\u{3}\u{4}".utf8), "a PyTorch archive (zip)"),
    ([0x89] + Array("HDF\r\n".utf8), "an HDF5 file"),
    (Array("GGUF".utf8), "a GGUF file"),
    (Array("version https://git-lfs".utf8), "a Git LFS pointer, not the file itself"),
  ]
}
