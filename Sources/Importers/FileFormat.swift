import Files
import Model

/// The format of a foreign file, told from its content and not from its name.
enum FileFormat {
  case safetensors
  case safetensorsIndex
  case onnx
  /// A format that is known but not read, in words, and what to do about it.
  case unsupported(String, remedy: String)

  /// The format of a whole file; anything that is not recognised is left to the safetensors
  /// reader to complain about.
  static func of(_ file: ByteView) -> FileFormat {
    file.withUnsafeBytes { bytes in
      // A header's length may begin with any bytes, so this comes before all magic numbers.
      if hasHeader(bytes) { return .safetensors }
      if bytes.starts(with: Array("version https://git-lfs".utf8)) {
        return .unsupported(
          "the pointer to a Git LFS file", remedy: "fetch the file itself with git lfs pull")
      }
      for (magic, name) in magicNumbers where bytes.starts(with: magic) {
        return .unsupported(name, remedy: saveAsSafetensors)
      }
      if bytes.count > 1, bytes[0] == 0x80, (2...5).contains(bytes[1]) {
        return .unsupported("a PyTorch pickle", remedy: saveAsSafetensors)
      }
      // The first field of an ONNX model is the version of its intermediate representation.
      if bytes.count > 1, bytes[0] == 0x08, (1...32).contains(bytes[1]) { return .onnx }
      let space: [UInt8] = [0x20, 0x09, 0x0A, 0x0D]
      let first = bytes.first { !space.contains($0) }
      return first == UInt8(ascii: "{") ? .safetensorsIndex : .safetensors
    }
  }

  private static func hasHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count > 8, bytes[8] == UInt8(ascii: "{") else { return false }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    return length <= UInt64(SafetensorsHeader.largestLength)
  }

  private static let saveAsSafetensors =
    "save its weights with safetensors.torch.save_file and convert that file"

  private static let magicNumbers: [(magic: [UInt8], name: String)] = [
    (Array("PK\u{3}\u{4}".utf8), "a PyTorch archive (zip)"),
    ([0x89] + Array("HDF\r\n".utf8), "an HDF5 file"),
    (Array("GGUF".utf8), "a GGUF file"),
  ]
}
