import Foundation

@testable import Container
@testable import Model

/// A file taken apart, to be put together again with lies in it and all checksums right.
struct Forgery {
  /// A section as it will be written.
  struct Part {
    var name: String
    var isRequired = false
    var isCompressed = false
    var isChecksummedByParts = false
    var content: [UInt8]
    /// What the table claims instead of the truth.
    var offset: UInt64?
    var length: UInt64?
    var decodedLength: UInt64?
  }

  var version: UInt32 = 1
  var minimumReader: UInt32 = 1
  var toolVersion = "declip-convert 9.9.9"
  var sectionCount: Int?
  var fileLength: UInt64?
  var parts: [Part] = []
  /// The index, written into section `tensors`; nil leaves that section's content alone.
  var entries: [TensorEntry]?
  /// Where the data was in the original, so that frames move along with it.
  private var originalData: UInt64 = 0

  /// Takes the file at `path` apart.
  init(of path: String) throws {
    let file = try ContainerFile(path: path)
    let bytes = try fileBytes(path)
    parts = file.sections.map { section in
      Part(
        name: section.name, isRequired: section.isRequired, isCompressed: section.isCompressed,
        isChecksummedByParts: section.isChecksummedByParts,
        content: Array(bytes[Int(section.offset)..<Int(section.end)]),
        decodedLength: section.isCompressed ? section.decodedLength : nil)
    }
    entries = file.entries
    originalData = file.sections.last?.offset ?? 0
  }

  /// The part of a name.
  subscript(name: String) -> Part {
    get { parts.first { $0.name == name } ?? Part(name: name, content: []) }
    set {
      if let index = parts.firstIndex(where: { $0.name == name }) { parts[index] = newValue }
    }
  }

  /// The bytes of the forged file.
  var bytes: [UInt8] {
    var parts = parts
    let tensors = parts.firstIndex { $0.name == "tensors" }
    if let entries, let tensors { parts[tensors].content = TensorIndex(entries).encoded }
    let starts = offsets(of: parts)
    if let entries, let tensors, let data = parts.firstIndex(where: { $0.name == "data" }) {
      let moved = entries.map { $0.moved(by: UInt64(starts[data]) &- originalData) }
      parts[tensors].content = TensorIndex(moved).encoded
    }
    let sections = zip(parts, starts).map { part, start in
      Section(
        name: part.name, isRequired: part.isRequired, isCompressed: part.isCompressed,
        isChecksummedByParts: part.isChecksummedByParts, offset: part.offset ?? UInt64(start),
        length: part.length ?? UInt64(part.content.count),
        decodedLength: part.decodedLength ?? part.length ?? UInt64(part.content.count),
        checksum: part.isChecksummedByParts ? 0 : Checksum.of(part.content))
    }
    let table = SectionTable(sections).encoded
    let end = zip(parts, starts).map { $1 + $0.content.count }.max() ?? 128 + table.count
    let header = Header(
      version: version, minimumReader: minimumReader, fileLength: fileLength ?? UInt64(end),
      sectionCount: sectionCount ?? parts.count, tableChecksum: Checksum.of(table),
      toolVersion: toolVersion)
    var builder = ByteBuilder()
    builder.append(header.encoded)
    builder.append(table)
    for (part, start) in zip(parts, starts) {
      builder.pad(to: start)
      builder.append(part.content)
    }
    return builder.bytes
  }

  private func offsets(of parts: [Part]) -> [Int] {
    var end = 128 + 64 * parts.count
    return parts.map { part in
      let start = (end + 63) / 64 * 64
      end = start + part.content.count
      return start
    }
  }

  /// Adds a tensor whose frames hold `stored`, the first at the end of the data.
  mutating func append(
    _ name: String, _ dataType: DataType, _ shape: [Int], stored: [[UInt8]], decoded: [Int],
    isExtra: Bool = true, transform: TensorEntry.Transform = .none,
    compression: TensorEntry.Compression = .zstd
  ) {
    var data = self["data"]
    var frames: [TensorEntry.Frame] = []
    for (bytes, length) in zip(stored, decoded) {
      data.content += [UInt8](repeating: 0, count: (64 - data.content.count % 64) % 64)
      frames.append(
        TensorEntry.Frame(
          offset: originalData + UInt64(data.content.count), storedLength: bytes.count,
          decodedLength: length, checksum: Checksum.of(bytes)))
      data.content += bytes
    }
    self["data"] = data
    entries?.append(
      TensorEntry(
        name: name, role: nil, dataType: dataType, shape: shape, transform: transform,
        compression: compression, isExtra: isExtra, frames: frames))
  }

  /// Replaces entry `index` by one with other facts.
  mutating func replace(
    _ index: Int, name: String? = nil, dataType: DataType? = nil, shape: [Int]? = nil,
    isExtra: Bool? = nil, frames: [TensorEntry.Frame]? = nil
  ) {
    guard let old = entries?[index] else { return }
    entries?[index] = TensorEntry(
      name: name ?? old.name, role: nil, dataType: dataType ?? old.dataType,
      shape: shape ?? old.shape, transform: old.transform, compression: old.compression,
      isExtra: isExtra ?? old.isExtra, frames: frames ?? old.frames)
  }
}

extension TensorEntry {
  fileprivate func moved(by distance: UInt64) -> TensorEntry {
    TensorEntry(
      name: name, role: nil, dataType: dataType, shape: shape, transform: transform,
      compression: compression, isExtra: isExtra,
      frames: frames.map { $0.with(offset: $0.offset &+ distance) })
  }
}

extension TensorEntry.Frame {
  func with(
    offset: UInt64? = nil, storedLength: Int? = nil, decodedLength: Int? = nil
  ) -> TensorEntry.Frame {
    TensorEntry.Frame(
      offset: offset ?? self.offset, storedLength: storedLength ?? self.storedLength,
      decodedLength: decodedLength ?? self.decodedLength, checksum: checksum)
  }
}
