import CZlib
import Files
import Model

/// A zip archive in memory, as PyTorch writes it: entries are views of it, nothing is copied.
///
/// Everything the archive says about an entry is checked before it is believed: central directory
/// against local header and data descriptor, bounds, and that no two entries share a byte.
struct ZipArchive {
  /// One entry of the archive.
  struct Entry {
    let name: String
    /// Bits of the general purpose flag.
    let flags: Int
    /// The compression method; 0 is stored.
    let method: Int
    /// The checksum of the content that the directory records.
    let checksum: UInt32
    /// Bytes in the archive.
    let storedSize: Int
    /// Bytes of the content.
    let size: Int
    /// Where the local header starts.
    let headerOffset: Int
    /// Where the content starts; set once the local header is read.
    var dataOffset = 0

    /// What an entry costs without its name: itself, its place in the table of names and among
    /// the ranges, and once more where entries are searched.
    static let cost = 640

    /// The entry for errors.
    var place: String { "entry \(quoted(name))" }
  }

  /// The entries in the order of the central directory, names distinct byte by byte.
  let entries: [Entry]
  private let bytes: ByteView
  private let places: [ByteString: Int]
  /// Whether checksums were recorded: PyTorch can leave them out, all of them are 0 then.
  private let hasChecksums: Bool

  /// Reads and checks the directory of a whole file; throws `badData` for every way in which it
  /// can be untrue, and for more than `budget` allows, by default that of the archive alone.
  init(_ bytes: ByteView, budget: MemoryBudget? = nil) throws(DeclipError) {
    let budget = budget ?? MemoryBudget(fileSize: bytes.count)
    let directory = try ZipDirectory(of: bytes)
    try budget.take(directory.entryCount, bytes: Entry.cost, place: "zip directory")
    // Names.
    try budget.take(directory.range.count, place: "zip directory")
    var entries: [Entry] = []
    var places: [ByteString: Int] = [:]
    var ranges: [(range: Range<Int>, index: Int)] = []
    for var entry in try directory.entries(of: bytes) {
      guard places.updateValue(entries.count, forKey: ByteString(entry.name)) == nil else {
        throw DeclipError(
          .badData, "is in the archive twice", place: entry.place,
          offset: UInt64(entry.headerOffset))
      }
      let range = try ZipLocalHeader.check(
        &entry, in: bytes, directoryStart: directory.range.lowerBound)
      ranges.append((range, entries.count))
      entries.append(entry)
    }
    ranges.sort { $0.range.lowerBound < $1.range.lowerBound }
    for (first, second) in zip(ranges, ranges.dropFirst())
    where second.range.lowerBound < first.range.upperBound {
      throw DeclipError(
        .badData, "overlaps \(entries[first.index].place)", place: entries[second.index].place,
        offset: UInt64(second.range.lowerBound))
    }
    self.bytes = bytes
    self.entries = entries
    self.places = places
    hasChecksums = entries.contains { $0.checksum != 0 }
  }

  /// The entry of that name, nil where there is none.
  subscript(name: String) -> Entry? { places[ByteString(name)].map { entries[$0] } }

  /// The content of an entry, a view of the archive.
  ///
  /// Throws `badData` for a compressed entry.
  func content(of entry: Entry) throws(DeclipError) -> ByteView {
    guard entry.method == 0 else {
      throw DeclipError(
        .badData, "is compressed (method \(entry.method))", place: entry.place,
        offset: UInt64(entry.headerOffset), expected: "a stored entry, as PyTorch writes them",
        remedy: "save it again with torch.save")
    }
    let content = bytes.slice(offset: UInt64(entry.dataOffset), length: UInt64(entry.size))
    guard let content else {
      throw DeclipError(.internal, "lies outside the file", place: entry.place)
    }
    return content
  }

  /// The content of an entry, read through once to compare its CRC-32 with the recorded one.
  func checkedContent(of entry: Entry) throws(DeclipError) -> ByteView {
    let content = try content(of: entry)
    guard hasChecksums else { return content }
    let checksum = content.withUnsafeBytes { bytes in
      UInt32(
        truncatingIfNeeded: crc32_z(
          0, bytes.bindMemory(to: UInt8.self).baseAddress, z_size_t(bytes.count)))
    }
    // zlib answers a null pointer with the checksum of nothing, which is 0.
    guard checksum == entry.checksum else {
      throw DeclipError(
        .badData, "the data do not have the recorded checksum", place: entry.place,
        offset: UInt64(entry.dataOffset), remedy: "the file is damaged; fetch it again")
    }
    return content
  }
}
