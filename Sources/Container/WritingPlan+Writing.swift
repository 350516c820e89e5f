import Files
import Model

extension WritingPlan {
  /// Writes the file; throws as `ContainerWriter.write` does.
  func write(to path: String) throws(DeclipError) -> ContainerSummary {
    var file = try AtomicFile(path: path)
    // The front of the file tells lengths and checksums of what follows: room now, content later.
    try file.write([UInt8](repeating: 0, count: Int(dataOffset)))
    let entries = try writeFrames(to: &file)
    let index = TensorIndex(entries)
    let stored = entries.reduce(0) { $0 + $1.storedBytes }
    let decoded = entries.reduce(0) { $0 + $1.decodedBytes }
    guard decoded <= TensorIndex.decodedLimit(fileLength: file.count) else {
      throw DeclipError(
        .badData,
        "the tensors compress from \(decoded) to \(stored) bytes, which readers take for an attack",
        remedy: "write the file uncompressed")
    }
    try file.overwrite(front(index, fileLength: file.count), at: 0)
    let fileLength = file.count
    try file.commit()
    return ContainerSummary(
      fileLength: fileLength, tensorCount: items.count,
      sourceBytes: items.reduce(0) { $0 + UInt64($1.tensor.bytes.count) }, decodedBytes: decoded,
      storedBytes: stored)
  }

  /// Encodes all frames on the options' threads and writes them in order.
  private func writeFrames(to file: inout AtomicFile) throws(DeclipError) -> [TensorEntry] {
    let items = items
    let jobs = items.indices.flatMap { item in
      (0..<items[item].frameCount).map { (item: item, frame: $0) }
    }
    var frames = items.map { _ in [TensorEntry.Frame]() }
    let compression = options.compression
    try withOrderedWork(
      count: jobs.count, threads: options.threads, window: 2 * options.threads + 2,
      makeState: { () throws(DeclipError) in try FrameEncoder(compression) },
      produce: { (encoder, index) throws(DeclipError) in
        let item = items[jobs[index].item]
        guard let slice = item.slice(jobs[index].frame) else {
          throw DeclipError(.internal, "a frame lies outside", place: "tensor '\(item.name)'")
        }
        do throws(DeclipError) {
          return try encoder.encode(
            slice, from: item.tensor.dataType, to: item.stored, item.transform)
        } catch {
          var error = error
          error.place = "tensor '\(item.name)'"
          throw error
        }
      },
      consume: { (index, encoded: EncodedFrame) throws(DeclipError) in
        let item = items[jobs[index].item]
        let offset = WritingPlan.aligned(file.count)
        try file.write([UInt8](repeating: 0, count: Int(offset - file.count)))
        try encoded.bytes.withUnsafeBytes { bytes throws(DeclipError) in try file.write(bytes) }
        let first = jobs[index].frame * item.frameElements
        let elements = min(item.frameElements, item.tensor.elementCount - first)
        frames[jobs[index].item].append(
          TensorEntry.Frame(
            offset: offset, storedLength: encoded.bytes.count,
            decodedLength: elements * item.stored.byteWidth, checksum: encoded.checksum))
      })
    return items.indices.map { entry(of: items[$0], frames[$0]) }
  }

  private func entry(of item: Item, _ frames: [TensorEntry.Frame]) -> TensorEntry {
    let isCompressed = options.compression != .none
    return TensorEntry(
      name: item.name, role: nil, dataType: item.stored, shape: item.tensor.shape,
      transform: item.transform,
      compression: isCompressed ? .zstd : .none, isExtra: item.isExtra, frames: frames)
  }

  /// Everything before the first frame.
  private func front(_ index: TensorIndex, fileLength: UInt64) -> [UInt8] {
    let encodedIndex = index.encoded
    let tensors = Section(
      name: Section.Name.tensors, isRequired: true, isCompressed: false,
      isChecksummedByParts: false, offset: indexOffset, length: indexLength,
      decodedLength: indexLength, checksum: Checksum.of(encodedIndex))
    let dataLength = fileLength - dataOffset
    let data = Section(
      name: Section.Name.data, isRequired: true, isCompressed: false, isChecksummedByParts: true,
      offset: dataOffset, length: dataLength, decodedLength: dataLength, checksum: 0)
    let table = SectionTable(metadata.map(\.section) + [tensors, data]).encoded
    let header = Header(
      fileLength: fileLength, sectionCount: metadata.count + 2,
      tableChecksum: Checksum.of(table), toolVersion: options.toolVersion)
    var builder = ByteBuilder()
    builder.append(header.encoded)
    builder.append(table)
    for (section, content) in metadata {
      builder.pad(to: Int(section.offset))
      builder.append(content)
    }
    builder.pad(to: Int(indexOffset))
    builder.append(encodedIndex)
    builder.pad(to: Int(dataOffset))
    return builder.bytes
  }
}
