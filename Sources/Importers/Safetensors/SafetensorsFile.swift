import Files
import Model

/// A memory-mapped safetensors file. Tensors are views of the mapping; nothing is copied.
public struct SafetensorsFile: Sendable {
  /// The path as it was given.
  public let path: String
  /// The whole file.
  public let bytes: ByteView
  /// The tensors in the order of the header, names distinct byte by byte.
  public let tensors: [SourceTensor]
  /// The entries of the header's `__metadata__`.
  public let metadata: [String: String]
  /// What reading the checkpoint may still take.
  let budget: MemoryBudget
  private let places: [ByteString: Int]

  /// Maps the file at `path` and checks its whole header.
  ///
  /// Throws `missingInput` where the file cannot be opened, and `badData` naming tensor and
  /// offset for a header that is not true of the file.
  public init(path: String) throws(DeclipError) {
    try self.init(path: path, budget: nil)
  }

  /// Maps the file at `path`, which adds to the `budget` of the checkpoint that it is a shard of.
  init(path: String, budget: MemoryBudget?) throws(DeclipError) {
    let file = try MappedFile(path: path)
    budget?.grow(fileSize: file.bytes.count)
    do {
      try self.init(bytes: file.bytes, path: path, budget: budget)
    } catch {
      throw error.inFile(path)
    }
  }

  /// Reads a whole file that is already in memory; `path` is only recorded.
  init(bytes: ByteView, path: String, budget: MemoryBudget? = nil) throws(DeclipError) {
    let budget = budget ?? MemoryBudget(fileSize: bytes.count)
    let header = try SafetensorsHeader(of: bytes, budget: budget)
    var tensors: [SourceTensor] = []
    var places: [ByteString: Int] = [:]
    tensors.reserveCapacity(header.entries.count)
    for entry in header.entries {
      let offset = UInt64(header.dataStart + entry.range.lowerBound)
      guard let data = bytes.slice(offset: offset, length: UInt64(entry.range.count)) else {
        throw DeclipError(.internal, "lies outside the file", place: entry.place)
      }
      places[ByteString(entry.name)] = tensors.count
      tensors.append(
        SourceTensor(
          name: entry.name, elementType: entry.element.rawValue, dataType: entry.element.dataType,
          shape: entry.shape, bytes: data))
    }
    self.path = path
    self.bytes = bytes
    self.tensors = tensors
    self.places = places
    self.budget = budget
    metadata = header.metadata
  }

  /// The tensor of that name, nil where there is none.
  public subscript(name: String) -> SourceTensor? {
    places[ByteString(name)].map { tensors[$0] }
  }
}

extension CheckpointSource {
  /// The checkpoint that one safetensors file holds.
  init(_ file: SafetensorsFile) {
    self.init(
      path: file.path, format: "safetensors",
      files: [File(name: Path.name(of: file.path), bytes: file.bytes)], tensors: file.tensors,
      metadata: file.metadata, budget: file.budget)
  }
}
