import Files
import Model

/// The format of a foreign file, told from its content and not from its name.
enum FileFormat {
  case safetensors
  case safetensorsIndex
  /// An ONNX graph.
  case onnx
  /// A zip archive, as PyTorch writes it.
  case torch
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
      if bytes.starts(with: Array("PK\u{3}\u{4}".utf8)) { return .torch }
      if isLegacyTorch(bytes) {
        return .unsupported("a PyTorch file as written before version 1.6", remedy: saveAgain)
      }
      for (magic, name) in magicNumbers where bytes.starts(with: magic) {
        return .unsupported(name, remedy: saveAsSafetensors)
      }
      if bytes.count > 1, bytes[0] == 0x80, (2...5).contains(bytes[1]) {
        return .unsupported("a bare Python pickle", remedy: saveAsSafetensors)
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

  /// Whether the file is a sequence of pickles, the first of them a magic number, or a tar archive.
  private static func isLegacyTorch(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let magic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
    if bytes.first == 0x80 {
      // Protocol, then the opcode and the length of the number; from protocol 4 a frame's length.
      return [4, 13].contains { bytes.dropFirst($0).starts(with: magic) }
    }
    return bytes.dropFirst(257).starts(with: Array("ustar".utf8))
  }

  private static let saveAgain =
    "save it again with torch.save(torch.load(path), path)"

  private static let saveAsSafetensors =
    "save its weights with safetensors.torch.save_file and convert that file"

  private static let magicNumbers: [(magic: [UInt8], name: String)] = [
    ([0x89] + Array("HDF\r\n".utf8), "an HDF5 file"),
    (Array("GGUF".utf8), "a GGUF file"),
  ]
}
