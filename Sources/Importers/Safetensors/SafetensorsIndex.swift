import Files
import Model

/// An index `*.safetensors.index.json`, which names the shard that holds each tensor.
enum SafetensorsIndex {
  /// Reads the index at `path` and every shard that it names, all in the index's own folder.
  ///
  /// Throws `badData` for an index that is not true of its shards, `missingInput` for a shard
  /// that is not there.
  static func read(path: String) throws(DeclipError) -> CheckpointSource {
    let file = try MappedFile(path: path)
    do {
      let budget = MemoryBudget(fileSize: file.bytes.count)
      return try read(try JSON.parse(file.bytes, budget: budget), path: path, budget: budget)
    } catch {
      throw error.inFile(path)
    }
  }

  private static func read(
    _ json: JSON, path: String, budget: MemoryBudget
  ) throws(DeclipError) -> CheckpointSource {
    guard let map = json.object?["weight_map"]?.object else {
      throw DeclipError(
        .badData, "has no object 'weight_map'", offset: json.offset,
        expected: "an index of safetensors files")
    }
    var shards: [ByteString: SafetensorsFile] = [:]
    var files: [CheckpointSource.File] = []
    var tensors: [SourceTensor] = []
    var metadata: [String: String] = [:]
    try budget.take(map.members.count, bytes: SourceTensor.cost, place: "'weight_map'")
    for member in map.members {
      let name = try shardName(of: member)
      let shard: SafetensorsFile
      if let known = shards[ByteString(name)] {
        shard = known
      } else {
        shard = try open(name, besides: path, budget: budget)
        shards[ByteString(name)] = shard
        files.append(.init(name: name, bytes: shard.bytes))
        metadata.merge(shard.metadata) { first, _ in first }
      }
      guard let tensor = shard[member.key] else {
        throw DeclipError(
          .badData, "is not in \(quoted(name))", place: "tensor \(quoted(member.key))",
          offset: member.value.offset, remedy: "fetch index and shards again")
      }
      tensors.append(tensor)
    }
    return CheckpointSource(
      path: path, format: "safetensors", files: files, tensors: tensors, metadata: metadata,
      budget: budget)
  }

  private static func shardName(of member: JSON.Object.Member) throws(DeclipError) -> String {
    guard let name = member.value.string else {
      throw DeclipError(
        .badData, "is mapped to \(member.value.described)",
        place: "tensor \(quoted(member.key))", offset: member.value.offset,
        expected: "a file name")
    }
    let isPlain =
      !name.isEmpty && name != "." && name != ".."
      && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
    guard isPlain else {
      throw DeclipError(
        .badData, "is mapped to \(quoted(name))", place: "tensor \(quoted(member.key))",
        offset: member.value.offset, expected: "a plain file name in the folder of the index")
    }
    return name
  }

  private static func open(
    _ name: String, besides path: String, budget: MemoryBudget
  ) throws(DeclipError) -> SafetensorsFile {
    do {
      return try SafetensorsFile(path: Path.join(Path.folder(of: path), name), budget: budget)
    } catch {
      var error = error
      if error.kind == .missingInput {
        error.remedy = "\(quoted(Path.name(of: path))) names it as a shard"
      }
      throw error
    }
  }
}
