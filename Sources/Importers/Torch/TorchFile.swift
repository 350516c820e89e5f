import Files
import Model

/// A memory-mapped checkpoint of PyTorch (`.pt`, `.pth`, `.bin`): a zip archive of a pickle, which
/// describes the tensors, and of one entry for each storage.
///
/// Nothing of the pickle is executed: names outside a short list of data types are refused.
/// Contiguous tensors are views of the mapping; others are copied into row-major order.
public struct TorchFile: Sendable {
  /// The path as it was given.
  public let path: String
  /// The whole file.
  public let bytes: ByteView
  /// The tensors of the state dict in its order, names distinct byte by byte.
  public let tensors: [SourceTensor]
  /// Numbers and short texts that lie beside the state dict, such as `epoch`.
  public let metadata: [String: String]
  /// What reading the checkpoint may still take.
  let budget: MemoryBudget

  /// The newest version of the archive's layout that is known.
  private static let newestVersion = 10

  /// Maps the file at `path` and reads its state dict.
  ///
  /// Throws `missingInput` where the file cannot be opened, and `badData` naming entry, tensor or
  /// global for everything that is damaged or is not data.
  public init(path: String) throws(DeclipError) {
    let file = try MappedFile(path: path)
    do {
      try self.init(bytes: file.bytes, path: path)
    } catch {
      throw error.inFile(path)
    }
  }

  /// Reads a whole file that is already in memory; `path` is only recorded.
  init(bytes: ByteView, path: String) throws(DeclipError) {
    let budget = MemoryBudget(fileSize: bytes.count)
    let archive = try ZipArchive(bytes, budget: budget)
    let prefix = try Self.prefix(of: archive)
    try Self.checkKind(of: archive, prefix: prefix)
    guard let entry = archive[prefix + "data.pkl"] else {
      throw DeclipError(.internal, "has no data.pkl")
    }
    let content = try archive.checkedContent(of: entry)
    let pickle = try Pickle(content, fileOffset: UInt64(entry.dataOffset), budget: budget)
    let stateDict = try TorchStateDict(pickle)
    var reader = TorchTensorReader(archive, prefix: prefix, budget: budget)
    try budget.take(stateDict.tensors.count, bytes: SourceTensor.cost, place: "state dict")
    var tensors: [SourceTensor] = []
    tensors.reserveCapacity(stateDict.tensors.count)
    for (name, tensor) in stateDict.tensors {
      tensors.append(try reader.read(tensor, name: name))
    }
    self.path = path
    self.bytes = bytes
    self.tensors = tensors
    self.budget = budget
    metadata = stateDict.metadata
  }

  /// What the names of all entries begin with, the slash included.
  private static func prefix(of archive: ZipArchive) throws(DeclipError) -> String {
    let name = "data.pkl"
    let pickles = archive.entries.filter {
      $0.name.utf8.elementsEqual(name.utf8) || $0.name.hasSuffix("/" + name)
    }
    guard let pickle = pickles.first, pickles.count == 1 else {
      throw DeclipError(
        .badData, "is a zip archive with \(pickles.isEmpty ? "no" : "several") data.pkl",
        expected: "an archive that torch.save wrote",
        remedy: pickles.isEmpty
          ? "unpack it, and give the ONNX, safetensors or PyTorch file in it" : nil)
    }
    return String(pickle.name.dropLast(name.count))
  }

  private static func checkKind(
    of archive: ZipArchive, prefix: String
  ) throws(DeclipError) {
    let isScript = archive.entries.contains {
      $0.name == prefix + "constants.pkl" || $0.name.hasPrefix(prefix + "code/")
    }
    guard !isScript else {
      throw DeclipError(
        .badData, "is a TorchScript program, which is code and cannot be read",
        expected: "a checkpoint of torch.save",
        remedy: "save its weights with torch.save(torch.jit.load(path).state_dict(), path)")
    }
    if let order = try text(prefix + "byteorder", of: archive), order != "little" {
      throw DeclipError(
        .badData, "is \(quoted(order, limit: 20))", place: "entry 'byteorder'",
        expected: "'little'", remedy: "save it again on a little-endian machine")
    }
    if let text = try text(prefix + "version", of: archive) {
      guard let version = Int(text), (1...newestVersion).contains(version) else {
        throw DeclipError(
          .badData, "is \(quoted(text, limit: 20))", place: "entry 'version'",
          expected: "1 to \(newestVersion)")
      }
    }
  }

  /// The content of a short entry without white space at its end, nil where there is none.
  private static func text(
    _ name: String, of archive: ZipArchive
  ) throws(DeclipError) -> String? {
    guard let entry = archive[name] else { return nil }
    let bytes = try archive.checkedContent(of: entry).withUnsafeBytes { Array($0.prefix(64)) }
    let space: [UInt8] = [0x20, 0x09, 0x0A, 0x0D]
    let end = bytes.lastIndex { !space.contains($0) }.map { $0 + 1 } ?? 0
    return String(decoding: bytes[..<end], as: UTF8.self)
  }
}

extension CheckpointSource {
  /// The checkpoint that one file of PyTorch holds.
  init(_ file: TorchFile) {
    self.init(
      path: file.path, format: "pytorch",
      files: [File(name: Path.name(of: file.path), bytes: file.bytes)], tensors: file.tensors,
      metadata: file.metadata, budget: file.budget)
  }
}
