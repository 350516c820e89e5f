import Model

/// The first 128 bytes of a file.
struct Header: Hashable {
  /// The version of the format that the file follows.
  var version = Layout.version
  /// The oldest reader that understands the file.
  var minimumReader: UInt32 = 1
  /// The length of the whole file.
  var fileLength: UInt64
  /// The number of entries of the section table.
  var sectionCount: Int
  /// The checksum of the section table.
  var tableChecksum: UInt64
  /// The tool that wrote the file, such as `declip-convert 0.1.0`.
  var toolVersion: String

  /// What a message about something this reader does not know ends with.
  var remedy: String {
    "the file was written by \(toolVersion) (format \(version), this tool reads "
      + "\(Layout.version)); use that version or a newer one"
  }
}

extension Header {
  /// The header's bytes, checksum included.
  var encoded: [UInt8] {
    var builder = ByteBuilder()
    builder.append(Layout.magic)
    builder.append(version)
    builder.append(minimumReader)
    builder.append(fileLength)
    builder.append(UInt32(truncatingIfNeeded: sectionCount))
    builder.append(UInt32(0))
    builder.append(tableChecksum)
    builder.append(toolVersion)
    builder.pad(to: 40 + Layout.toolVersionLength)
    builder.append(Checksum.of(builder.bytes))
    return builder.bytes
  }

  /// Reads and checks the header of `file`; throws `badData`.
  init(of file: ByteView) throws(DeclipError) {
    guard let bytes = file.slice(offset: 0, length: UInt64(Layout.headerLength)) else {
      throw DeclipError(
        .badData, "is not a .declip file: it has \(file.count) bytes",
        expected: "\(Layout.headerLength) or more")
    }
    var cursor = ByteCursor(bytes, place: "header")
    guard bytes.withUnsafeBytes({ $0.prefix(Layout.magic.count).elementsEqual(Layout.magic) })
    else {
      throw DeclipError(
        .badData, "is not a .declip file: its first bytes are others",
        remedy: "convert a model with declip-convert")
    }
    _ = try cursor.read(UInt64.self)
    version = try cursor.read(UInt32.self)
    minimumReader = try cursor.read(UInt32.self)
    fileLength = try cursor.read(UInt64.self)
    let count = try cursor.read(UInt32.self)
    let reserved = try cursor.read(UInt32.self)
    tableChecksum = try cursor.read(UInt64.self)
    sectionCount = Int(count)
    let name = try Header.paddedText(&cursor, Layout.toolVersionLength)
    let checksum = try cursor.read(UInt64.self)
    let computed = bytes.withUnsafeBytes {
      Checksum.of(UnsafeRawBufferPointer(rebasing: $0.prefix(Layout.headerLength - 8)))
    }
    guard checksum == computed else {
      throw DeclipError(
        .badData, "is damaged: its checksum does not match", place: "header", offset: 0,
        remedy: "copy or convert the file again")
    }
    guard let name, !name.isEmpty else {
      throw DeclipError(.badData, "names no tool version", place: "header", offset: 40)
    }
    toolVersion = name
    guard minimumReader <= Layout.version else {
      throw DeclipError(
        .badData, "requires a reader of format \(minimumReader)", place: "header", offset: 12,
        remedy: remedy)
    }
    guard minimumReader >= 1, version >= minimumReader, reserved == 0 else {
      throw DeclipError(
        .badData, "has impossible versions or reserved bytes", place: "header", offset: 8)
    }
    guard fileLength == UInt64(file.count) else {
      throw DeclipError(
        .badData, "the file has \(file.count) bytes", place: "header", offset: 16,
        expected: "\(fileLength)", remedy: "copy or convert the file again")
    }
    guard sectionCount <= Layout.maximumSections else {
      throw DeclipError(
        .badData, "declares \(sectionCount) sections", place: "header", offset: 24,
        expected: "at most \(Layout.maximumSections)")
    }
  }

  /// Text in a field of `length` bytes, zeros after it; nil where it is not that.
  static func paddedText(
    _ cursor: inout ByteCursor, _ length: Int
  ) throws(DeclipError) -> String? {
    var bytes: [UInt8] = []
    for _ in 0..<length { bytes.append(try cursor.read(UInt8.self)) }
    let text = bytes.prefix { $0 != 0 }
    guard bytes.dropFirst(text.count).allSatisfy({ $0 == 0 }) else { return nil }
    return String(validating: text, as: UTF8.self)
  }
}
