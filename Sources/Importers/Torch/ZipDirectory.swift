import Model

/// Where a zip archive's central directory lies, and what it says.
struct ZipDirectory {
  /// The bytes of the directory in the file.
  let range: Range<Int>
  /// The number of entries.
  let entryCount: Int

  private static let endSignature = 0x0605_4B50
  private static let end64Signature = 0x0606_4B50
  private static let locator64Signature = 0x0706_4B50
  private static let entrySignature = 0x0201_4B50
  private static let endLength = 22
  private static let locator64Length = 20
  private static let entryLength = 46
  /// What a field holds where the true number is in the ZIP64 structures.
  private static let absentShort = 0xFFFF
  private static let absentWord = 0xFFFF_FFFF

  /// Finds the directory of a whole file.
  init(of bytes: ByteView) throws(DeclipError) {
    let fields = ByteFields(bytes)
    let end = try Self.end(of: fields)
    guard let disk = fields.short(at: end + 4), let firstDisk = fields.short(at: end + 6),
      let countHere = fields.short(at: end + 8), var count = fields.short(at: end + 10),
      var size = fields.word(at: end + 12), var start = fields.word(at: end + 16)
    else { throw Self.truncated(at: end) }
    var expectedEnd = end
    let locator = end - Self.locator64Length
    if fields.word(at: locator) == Self.locator64Signature {
      let large = try Self.large(fields, locator: locator)
      let agrees =
        [0, Self.absentShort].contains(disk) && [0, Self.absentShort].contains(firstDisk)
        && countHere == count && [large.count, Self.absentShort].contains(count)
        && [large.size, Self.absentWord].contains(size)
        && [large.start, Self.absentWord].contains(start)
      guard agrees else {
        throw DeclipError(
          .badData, "the end record disagrees with the ZIP64 end record",
          place: "zip directory", offset: UInt64(end))
      }
      (count, size, start, expectedEnd) = (large.count, large.size, large.start, large.record)
    } else {
      guard disk == 0, firstDisk == 0, countHere == count else {
        throw Self.multiDisk(at: end)
      }
    }
    let (stop, overflow) = start.addingReportingOverflow(size)
    guard !overflow, stop == expectedEnd else {
      throw DeclipError(
        .badData, "\(size) bytes at \(start) do not end at the end record",
        place: "zip directory", offset: UInt64(end), expected: "an end at \(expectedEnd)",
        remedy: "the file may be truncated; fetch it again")
    }
    guard count <= size / Self.entryLength else {
      throw DeclipError(
        .badData, "\(count) entries do not fit into \(size) bytes", place: "zip directory",
        offset: UInt64(end))
    }
    range = start..<stop
    entryCount = count
  }

  /// The offset of the end record: the last one whose comment reaches to the end of the file.
  private static func end(of fields: ByteFields) throws(DeclipError) -> Int {
    var offset = fields.count - endLength
    let first = max(0, offset - 0xFFFF)
    while offset >= first {
      if fields.word(at: offset) == endSignature,
        fields.short(at: offset + 20) == fields.count - offset - endLength
      {
        return offset
      }
      offset -= 1
    }
    throw DeclipError(
      .badData, "the zip archive has no end record",
      remedy: "the file may be truncated; fetch it again")
  }

  private static func large(
    _ fields: ByteFields, locator: Int
  ) throws(DeclipError) -> (record: Int, count: Int, size: Int, start: Int) {
    guard fields.word(at: locator + 4) == 0, fields.word(at: locator + 16) == 1 else {
      throw multiDisk(at: locator)
    }
    // The record's own length leaves out its first 12 bytes.
    guard let record = fields.long(at: locator + 8), record <= locator - 56,
      fields.word(at: record) == end64Signature,
      fields.long(at: record + 4) == locator - record - 12
    else {
      throw DeclipError(
        .badData, "the ZIP64 locator does not point to the ZIP64 end record",
        place: "zip directory", offset: UInt64(locator))
    }
    guard fields.word(at: record + 16) == 0, fields.word(at: record + 20) == 0,
      let countHere = fields.long(at: record + 24), let count = fields.long(at: record + 32),
      countHere == count
    else { throw multiDisk(at: record) }
    guard let size = fields.long(at: record + 40), let start = fields.long(at: record + 48) else {
      throw DeclipError(
        .badData, "the directory lies outside the file", place: "zip directory",
        offset: UInt64(record))
    }
    return (record, count, size, start)
  }

  /// Reads every entry of the directory, without its local header.
  func entries(of bytes: ByteView) throws(DeclipError) -> [ZipArchive.Entry] {
    let fields = ByteFields(bytes)
    var entries: [ZipArchive.Entry] = []
    entries.reserveCapacity(entryCount)
    var offset = range.lowerBound
    for _ in 0..<entryCount {
      let (entry, next) = try entry(fields, at: offset)
      entries.append(entry)
      offset = next
    }
    guard offset == range.upperBound else {
      throw DeclipError(
        .badData, "\(range.upperBound - offset) bytes follow its \(entryCount) entries",
        place: "zip directory", offset: UInt64(offset))
    }
    return entries
  }

  private func entry(
    _ fields: ByteFields, at offset: Int
  ) throws(DeclipError) -> (ZipArchive.Entry, next: Int) {
    guard offset <= range.upperBound - Self.entryLength,
      fields.word(at: offset) == Self.entrySignature, let flags = fields.short(at: offset + 8),
      let method = fields.short(at: offset + 10),
      let checksum = fields.number(UInt32.self, at: offset + 16),
      let storedSize = fields.word(at: offset + 20), let size = fields.word(at: offset + 24),
      let nameLength = fields.short(at: offset + 28),
      let extraLength = fields.short(at: offset + 30),
      let commentLength = fields.short(at: offset + 32), let disk = fields.short(at: offset + 34),
      let headerOffset = fields.word(at: offset + 42)
    else { throw Self.truncated(at: offset) }
    let nameOffset = offset + Self.entryLength
    let next = nameOffset + nameLength + extraLength + commentLength
    guard next <= range.upperBound,
      let nameBytes = fields.slice(at: nameOffset, length: nameLength),
      let extra = fields.slice(at: nameOffset + nameLength, length: extraLength)
    else { throw Self.truncated(at: offset) }
    guard let name = nameBytes.withUnsafeBytes({ String(validating: $0, as: UTF8.self) }) else {
      throw DeclipError(
        .badData, "the name of an entry is not UTF-8", place: "zip directory",
        offset: UInt64(nameOffset))
    }
    var large = ZipLargeFields(extra)
    guard let plainSize = large.replace(size, ifAbsent: Self.absentWord),
      let stored = large.replace(storedSize, ifAbsent: Self.absentWord),
      let header = large.replace(headerOffset, ifAbsent: Self.absentWord),
      disk == 0 || disk == Self.absentShort
    else {
      throw DeclipError(
        .badData, "its sizes and place cannot be told from the ZIP64 field",
        place: "entry \(quoted(name))", offset: UInt64(offset))
    }
    return (
      ZipArchive.Entry(
        name: name, flags: flags, method: method, checksum: checksum, storedSize: stored,
        size: plainSize, headerOffset: header), next
    )
  }

  private static func truncated(at offset: Int) -> DeclipError {
    DeclipError(
      .badData, "an entry is damaged or truncated", place: "zip directory",
      offset: UInt64(offset), remedy: "fetch the file again")
  }

  private static func multiDisk(at offset: Int) -> DeclipError {
    DeclipError(
      .badData, "the archive is one part of several", place: "zip directory",
      offset: UInt64(offset), expected: "a zip archive in one file")
  }
}

/// The ZIP64 extra field (0x0001) of an entry: those 64-bit numbers that are absent elsewhere, in
/// their fixed order.
struct ZipLargeFields {
  private let numbers: ByteFields
  private var offset = 0

  /// Finds the field among all extra fields of an entry; empty where there is none.
  init(_ extra: ByteView) {
    let fields = ByteFields(extra)
    var offset = 0
    var numbers = ByteFields(ByteView([]))
    while let tag = fields.short(at: offset), let length = fields.short(at: offset + 2),
      let content = fields.slice(at: offset + 4, length: length)
    {
      if tag == 1 {
        numbers = ByteFields(content)
        break
      }
      offset += 4 + length
    }
    self.numbers = numbers
  }

  /// The number of a field, taken from here where it is `absent` there; nil where it is not here
  /// either.
  mutating func replace(_ number: Int, ifAbsent absent: Int) -> Int? {
    guard number == absent else { return number }
    defer { offset += 8 }
    return numbers.long(at: offset)
  }
}
