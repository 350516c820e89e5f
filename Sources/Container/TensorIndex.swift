import Model

/// The index of a file's tensors, in the order in which their frames lie in the file.
struct TensorIndex {
  var entries: [TensorEntry]

  /// The content of section `tensors`.
  var encoded: [UInt8] {
    var builder = ByteBuilder()
    builder.append(UInt32(truncatingIfNeeded: entries.count))
    builder.append(UInt32(0))
    for entry in entries { entry.encode(to: &builder) }
    return builder.bytes
  }

  init(_ entries: [TensorEntry]) {
    self.entries = entries
  }

  /// Reads the content of section `tensors`; throws `badData`.
  init(_ bytes: ByteView, data: Section, _ header: Header) throws(DeclipError) {
    var cursor = ByteCursor(bytes, place: "section 'tensors'")
    let count = try cursor.read(UInt32.self)
    guard try cursor.read(UInt32.self) == 0 else {
      throw DeclipError(.badData, "has reserved bytes in use", place: "section 'tensors'")
    }
    // No capacity is reserved for `count`: a lie ends at the end of the bytes.
    var entries: [TensorEntry] = []
    var names: Set<String> = []
    for _ in 0..<count {
      let entry = try TensorEntry(from: &cursor, header)
      guard names.insert(entry.name).inserted else {
        throw DeclipError(.badData, "appears twice in the index", place: entry.place)
      }
      entries.append(entry)
    }
    try cursor.finish()
    self.entries = entries
    try checkTiling(of: data)
    try checkExpansion(header.fileLength)
  }

  /// Throws `badData` unless the frames tile `data` as sections tile a file: in order, each from
  /// the first multiple of 64 after the one before, the last up to the section's end.
  private func checkTiling(of data: Section) throws(DeclipError) {
    var end = data.offset
    for entry in entries {
      for (index, frame) in entry.frames.enumerated() {
        guard let start = Layout.aligned(end), frame.offset == start else {
          throw DeclipError(
            .badData,
            "frame \(index) "
              + (frame.offset < end ? "overlaps what precedes it" : "is out of place"),
            place: entry.place, offset: frame.offset,
            expected: "a start at \(Layout.aligned(end) ?? end)")
        }
        let (next, overflow) = frame.offset.addingReportingOverflow(UInt64(frame.storedLength))
        guard !overflow, next <= data.end else {
          throw DeclipError(
            .badData, "frame \(index) reaches past the end of section 'data'", place: entry.place,
            offset: frame.offset, expected: "an end within \(data.end)")
        }
        end = next
      }
    }
    guard end == data.end else {
      throw DeclipError(
        .badData, "has \(data.end - end) bytes that belong to no tensor", place: data.place,
        offset: end)
    }
  }

  /// Throws `badData` where the tensors would take more memory than any real model of this length.
  private func checkExpansion(_ fileLength: UInt64) throws(DeclipError) {
    let decoded = entries.reduce(0) { $0 &+ $1.decodedBytes }
    let limit = TensorIndex.decodedLimit(fileLength: fileLength)
    guard decoded <= limit else {
      throw DeclipError(
        .badData, "the tensors decode to \(decoded) bytes from a file of \(fileLength)",
        place: "section 'tensors'", expected: "at most \(limit)")
    }
  }

  /// The most bytes that the tensors of a file may decode to.
  static func decodedLimit(fileLength: UInt64) -> UInt64 {
    let (product, overflow) = fileLength.multipliedReportingOverflow(by: Layout.maximumExpansion)
    return max(Layout.freeDecodedLength, overflow ? .max : product)
  }
}
