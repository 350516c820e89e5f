import Model

/// The sections of a file, in the order in which they lie in it.
struct SectionTable {
  let sections: [Section]

  subscript(name: String) -> Section? {
    sections.first { $0.name == name }
  }

  /// The table's bytes.
  var encoded: [UInt8] {
    var builder = ByteBuilder()
    for section in sections { section.encode(to: &builder) }
    return builder.bytes
  }

  init(_ sections: [Section]) {
    self.sections = sections
  }

  /// Reads and checks the table of `file`.
  ///
  /// Throws `badData` unless the sections tile the file: each starts at the first multiple of 64
  /// after the one before, and the last ends with the file. That leaves no room for overlaps,
  /// for offsets outside, or for bytes that belong to nothing.
  init(of file: ByteView, _ header: Header) throws(DeclipError) {
    let start = UInt64(Layout.headerLength)
    let size = UInt64(header.sectionCount * Layout.tableEntryLength)
    guard let bytes = file.slice(offset: start, length: size) else {
      throw DeclipError(
        .badData, "does not fit into the file", place: "section table", offset: start)
    }
    guard Checksum.of(bytes) == header.tableChecksum else {
      throw DeclipError(
        .badData, "is damaged: its checksum does not match", place: "section table", offset: start,
        remedy: "copy or convert the file again")
    }
    var cursor = ByteCursor(bytes, place: "section table")
    var sections: [Section] = []
    var end = start + size
    for _ in 0..<header.sectionCount {
      let section = try Section(from: &cursor, header)
      end = try SectionTable.end(of: section, after: end, in: UInt64(file.count))
      guard !sections.contains(where: { $0.name == section.name }) else {
        throw DeclipError(.badData, "appears twice", place: section.place)
      }
      guard !section.isRequired || Section.Name.all.contains(section.name) else {
        throw DeclipError(
          .badData, "is required and unknown to this tool", place: section.place,
          offset: section.offset, remedy: header.remedy)
      }
      sections.append(section)
    }
    guard end == UInt64(file.count) else {
      throw DeclipError(
        .badData, "leaves \(UInt64(file.count) - end) bytes at the end to no section",
        place: "section table", offset: end)
    }
    self.sections = sections
  }

  /// Where `section` ends, once it is known to start right after `previous` and to fit.
  private static func end(
    of section: Section, after previous: UInt64, in fileLength: UInt64
  ) throws(DeclipError) -> UInt64 {
    guard let expected = Layout.aligned(previous), section.offset == expected else {
      throw DeclipError(
        .badData, section.offset < previous ? "overlaps what precedes it" : "is out of place",
        place: section.place, offset: section.offset,
        expected: "a start at \(Layout.aligned(previous) ?? previous)")
    }
    let (end, overflow) = section.offset.addingReportingOverflow(section.length)
    guard !overflow, end <= fileLength else {
      throw DeclipError(
        .badData, "has \(section.length) bytes and reaches past the end of the file",
        place: section.place, offset: section.offset, expected: "an end within \(fileLength)")
    }
    return end
  }
}
