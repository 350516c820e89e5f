import Model

/// The local header before an entry's data, and the descriptor that may follow the data.
enum ZipLocalHeader {
  private static let signature = 0x0403_4B50
  private static let descriptorSignature = 0x0807_4B50
  private static let length = 30
  private static let absentWord = 0xFFFF_FFFF
  private static let isEncrypted = 1 << 0
  private static let hasDescriptor = 1 << 3
  private static let hidesHeaders = 1 << 13

  /// Compares the local header of an entry with the directory and notes where the data start.
  ///
  /// Returns the bytes that the entry takes in the file, all before `directoryStart`.
  static func check(
    _ entry: inout ZipArchive.Entry, in bytes: ByteView, directoryStart: Int
  ) throws(DeclipError) -> Range<Int> {
    let start = entry.headerOffset
    guard entry.flags & (isEncrypted | hidesHeaders) == 0 else {
      throw DeclipError(
        .badData, "is encrypted", place: entry.place, offset: UInt64(start),
        remedy: "decrypt the archive first")
    }
    let fields = ByteFields(bytes)
    guard start <= directoryStart - length, fields.word(at: start) == signature,
      let flags = fields.short(at: start + 6), let method = fields.short(at: start + 8),
      let checksum = fields.number(UInt32.self, at: start + 14),
      let storedSize = fields.word(at: start + 18), let size = fields.word(at: start + 22),
      let nameLength = fields.short(at: start + 26), let extraLength = fields.short(at: start + 28),
      let name = fields.slice(at: start + length, length: nameLength),
      let extra = fields.slice(at: start + length + nameLength, length: extraLength)
    else { throw untrue(entry, "has no local header") }
    guard name.withUnsafeBytes({ $0.elementsEqual(entry.name.utf8) }) else {
      throw untrue(entry, "has another name in its local header")
    }
    let differences = flags ^ entry.flags
    guard differences & (isEncrypted | hasDescriptor | hidesHeaders) == 0,
      method == entry.method, method != 0 || entry.storedSize == entry.size
    else { throw untrue(entry, "is of another kind in its local header") }
    entry.dataOffset = start + length + nameLength + extraLength
    let (end, overflow) = entry.dataOffset.addingReportingOverflow(entry.storedSize)
    guard !overflow, end <= directoryStart else {
      throw DeclipError(
        .badData, "\(entry.storedSize) bytes reach into the directory or beyond the file",
        place: entry.place, offset: UInt64(start))
    }
    var large = ZipLargeFields(extra)
    let localSize = large.replace(size, ifAbsent: absentWord)
    let localStoredSize = large.replace(storedSize, ifAbsent: absentWord)
    let agrees =
      localSize == entry.size && localStoredSize == entry.storedSize
      && checksum == entry.checksum
    if flags & hasDescriptor == 0 {
      guard agrees else { throw untrue(entry, "has another size in its local header") }
      return start..<end
    }
    guard agrees || (localSize == 0 && localStoredSize == 0) else {
      throw untrue(entry, "has another size in its local header")
    }
    guard let length = descriptorLength(entry, fields, at: end), end + length <= directoryStart
    else { throw untrue(entry, "has another size in its data descriptor") }
    return start..<end + length
  }

  /// The length of a descriptor that agrees with the directory, nil where there is none.
  ///
  /// Its signature may be absent, and nothing says whether its sizes have 4 or 8 bytes.
  private static func descriptorLength(
    _ entry: ZipArchive.Entry, _ fields: ByteFields, at offset: Int
  ) -> Int? {
    for start in [fields.word(at: offset) == descriptorSignature ? 4 : 0, 0]
    where fields.number(UInt32.self, at: offset + start) == entry.checksum {
      let sizes = offset + start + 4
      if fields.long(at: sizes) == entry.storedSize, fields.long(at: sizes + 8) == entry.size {
        return start + 20
      }
      if fields.word(at: sizes) == entry.storedSize, fields.word(at: sizes + 4) == entry.size {
        return start + 12
      }
    }
    return nil
  }

  private static func untrue(_ entry: ZipArchive.Entry, _ problem: String) -> DeclipError {
    DeclipError(
      .badData, problem, place: entry.place, offset: UInt64(entry.headerOffset),
      remedy: "the file is damaged; fetch it again")
  }
}
