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
  /// No bytes at all.
  case empty
  /// A format that is known but not read, in words, and what to do about it.
  case unsupported(String, remedy: String)

  /// The format of a whole file, whose name decides where content does not tell; anything that is
  /// not recognised is left to the safetensors reader to complain about.
  static func of(_ file: ByteView, path: String = "") -> FileFormat {
    if isWeightsOfOpenVINO(path) { return openVINO }
    return file.withUnsafeBytes { bytes in
      if bytes.isEmpty { return .empty }
      // A header's length may begin with any bytes, so this comes before all magic numbers.
      if hasHeader(bytes) { return .safetensors }
      if let format = foreign(bytes) { return format }
      if bytes.starts(with: zipMagic) { return zip(bytes) }
      if isLegacyTorch(bytes) {
        return .unsupported("a PyTorch file as written before version 1.6", remedy: saveAgain)
      }
      if bytes.count > 1, bytes[0] == 0x80, (2...5).contains(bytes[1]) {
        return .unsupported("a bare Python pickle", remedy: saveAsSafetensors)
      }
      // The first field of an ONNX model is the version of its intermediate representation, that
      // of a Core ML model the version of its specification.
      if bytes.count > 1, bytes[0] == 0x08, (1...32).contains(bytes[1]) {
        return path.hasSuffix(".mlmodel")
          ? .unsupported("a Core ML model", remedy: fetchSource) : .onnx
      }
      if isFlax(bytes) { return .unsupported("a Flax checkpoint (msgpack)", remedy: fetchTwin) }
      let space: [UInt8] = [0x20, 0x09, 0x0A, 0x0D]
      let first = bytes.first { !space.contains($0) }
      return first == UInt8(ascii: "{") ? .safetensorsIndex : .safetensors
    }
  }

  /// The format of a folder that is one model of another library; nil for any other folder.
  static func package(_ folder: String) -> FileFormat? {
    func holds(_ name: String) -> Bool { Path.exists(Path.join(folder, name)) }
    if holds("Manifest.json"), holds("Data") || holds("Data/com.apple.CoreML") {
      return .unsupported("a Core ML package", remedy: fetchSource)
    }
    if holds("saved_model.pb") {
      return .unsupported("a SavedModel of TensorFlow", remedy: fetchTwin)
    }
    return nil
  }

  private static func hasHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count > 8, bytes[8] == UInt8(ascii: "{") else { return false }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    return length <= UInt64(SafetensorsHeader.largestLength)
  }

  // MARK: Other formats

  /// The formats that magic numbers tell and that nothing here reads.
  private static func foreign(_ bytes: UnsafeRawBufferPointer) -> FileFormat? {
    if bytes.starts(with: Array("version https://git-lfs".utf8)) {
      return .unsupported(
        "the pointer to a Git LFS file", remedy: "fetch the file itself with git lfs pull")
    }
    if bytes.starts(with: [0x89] + Array("HDF\r\n".utf8)) {
      return .unsupported("an HDF5 file, such as Keras writes", remedy: fetchTwin)
    }
    if bytes.starts(with: Array("GGUF".utf8)) {
      return .unsupported("a GGUF file", remedy: fetchTwin)
    }
    if bytes.dropFirst(4).starts(with: Array("TFL3".utf8)) {
      return .unsupported("a TensorFlow Lite model", remedy: fetchSource)
    }
    if bytes.starts(with: [0x93] + Array("NUMPY".utf8)) {
      return .unsupported("a NumPy array", remedy: fetchTwin)
    }
    let start = String(decoding: bytes.prefix(512), as: UTF8.self)
    if start.hasPrefix("<?xml") || start.hasPrefix("<net") {
      return start.contains("<net") ? openVINO : .unsupported("an XML file", remedy: fetchSource)
    }
    if start.lowercased().hasPrefix("<!doctype html") || start.hasPrefix("<html") {
      return .unsupported("a web page", remedy: "fetch the file itself and not the page about it")
    }
    return nil
  }

  private static let zipMagic = Array("PK\u{3}\u{4}".utf8)

  /// What a zip archive is, told by the name of its first entry.
  private static func zip(_ bytes: UnsafeRawBufferPointer) -> FileFormat {
    guard bytes.count > 30 else { return .torch }
    let length = Int(bytes[26]) | Int(bytes[27]) << 8
    let name = String(decoding: bytes[30..<min(bytes.count, 30 + length)], as: UTF8.self)
    // Storages of PyTorch have no endings.
    if name.hasSuffix(".npy") {
      return .unsupported("a NumPy archive (.npz)", remedy: fetchTwin)
    }
    if name.hasSuffix(".weights.h5") || name == "metadata.json" {
      return .unsupported("a Keras archive", remedy: fetchTwin)
    }
    if name.contains(".mlpackage/") {
      return .unsupported("a packed Core ML package", remedy: fetchSource)
    }
    if [".safetensors", ".onnx", ".bin", ".pt", ".pth"].contains(where: name.hasSuffix) {
      return .unsupported(
        "a zip archive with \(quoted(name, limit: 60))",
        remedy: "unpack it, and give the ONNX, safetensors or PyTorch file in it")
    }
    return .torch
  }

  /// Whether the file is a map from names to arrays or further maps.
  private static func isFlax(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let header: Int
    switch bytes[0] {
    case 0x81...0x8F: header = 1
    case 0xDE: header = 3
    case 0xDF: header = 5
    default: return false
    }
    // The first key: a text of up to 31 bytes, or of a length that one byte tells.
    guard bytes.count > header + 2 else { return false }
    let (start, length) =
      switch bytes[header] {
      case 0xA1...0xBF: (header + 1, Int(bytes[header] & 0x1F))
      case 0xD9: (header + 2, Int(bytes[header + 1]))
      default: (0, 0)
      }
    guard length > 0, bytes.count > start + length else { return false }
    return bytes[start..<start + length].allSatisfy { (0x20...0x7E).contains($0) }
  }

  /// Whether `path` names the weights of an OpenVINO graph: bytes without any mark of their own.
  private static func isWeightsOfOpenVINO(_ path: String) -> Bool {
    guard path.hasSuffix(".bin") else { return false }
    return Path.exists(path.dropLast(4) + ".xml")
  }

  private static var openVINO: FileFormat {
    .unsupported("an OpenVINO model", remedy: fetchSource)
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

  // MARK: Remedies

  private static let saveAgain =
    "save it again with torch.save(torch.load(path), path)"

  private static let saveAsSafetensors =
    "save its weights with safetensors.torch.save_file and convert that file"

  /// For other libraries' copies of a checkpoint.
  private static let fetchTwin =
    "fetch the same model's model.safetensors or pytorch_model.bin"

  /// For graphs that were compiled out of a model.
  private static let fetchSource =
    "fetch the safetensors or PyTorch checkpoint that it was made of, or its ONNX graph"
}
