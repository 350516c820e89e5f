import Model

/// One entry of a file's section table.
public struct Section: Hashable, Sendable {
  /// What the section holds, such as `architecture`.
  public let name: String
  /// Whether a reader that does not know the name must refuse the file.
  public let isRequired: Bool
  /// Whether the stored bytes are one zstd frame.
  public let isCompressed: Bool
  /// Whether the section's parts carry checksums of their own, and the section itself none.
  public let isChecksummedByParts: Bool
  /// Where it starts, in bytes from the start of the file; a multiple of 64.
  public let offset: UInt64
  /// The bytes that it takes in the file.
  public let length: UInt64
  /// The bytes that it decodes to; `length` where it is not compressed.
  public let decodedLength: UInt64
  /// The XXH64 of the stored bytes; 0 where the parts have their own.
  public let checksum: UInt64

  /// The sections of version 1.
  enum Name {
    static let architecture = "architecture"
    static let provenance = "provenance"
    static let quantization = "quantization"
    static let calibration = "calibration"
    static let tokenizer = "tokenizer"
    static let tensors = "tensors"
    static let data = "data"
    static let all = [
      architecture, provenance, quantization, calibration, tokenizer, tensors, data,
    ]
  }

  /// The byte after the section; the section table's check made sure that it exists.
  var end: UInt64 { offset &+ length }

  /// How messages name the section.
  var place: String { "section '\(name)'" }
}

extension Section {
  private static let requiredFlag: UInt32 = 1
  private static let compressedFlag: UInt32 = 2
  private static let partsFlag: UInt32 = 4

  /// Appends the table entry.
  func encode(to builder: inout ByteBuilder) {
    let start = builder.bytes.count
    builder.append(name)
    builder.pad(to: start + Layout.sectionNameLength)
    builder.append(
      (isRequired ? Section.requiredFlag : 0) | (isCompressed ? Section.compressedFlag : 0)
        | (isChecksummedByParts ? Section.partsFlag : 0))
    builder.append(UInt32(0))
    builder.append(offset)
    builder.append(length)
    builder.append(decodedLength)
    builder.append(checksum)
  }

  /// Reads one table entry; throws `badData` where no version could have written it.
  init(from cursor: inout ByteCursor, _ header: Header) throws(DeclipError) {
    let at = UInt64(Layout.headerLength + cursor.offset)
    let name = try Header.paddedText(&cursor, Layout.sectionNameLength)
    let flags = try cursor.read(UInt32.self)
    let reserved = try cursor.read(UInt32.self)
    offset = try cursor.read(UInt64.self)
    length = try cursor.read(UInt64.self)
    decodedLength = try cursor.read(UInt64.self)
    checksum = try cursor.read(UInt64.self)
    guard let name, !name.isEmpty, name.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw DeclipError(
        .badData, "a section has no readable name", place: "section table", offset: at)
    }
    self.name = name
    isRequired = flags & Section.requiredFlag != 0
    isCompressed = flags & Section.compressedFlag != 0
    isChecksummedByParts = flags & Section.partsFlag != 0
    guard flags < 8, reserved == 0 else {
      throw DeclipError(
        .badData, "has flags that this tool does not know", place: place, offset: at,
        remedy: header.remedy)
    }
    guard isCompressed || decodedLength == length else {
      throw DeclipError(
        .badData, "stores \(length) bytes but declares \(decodedLength)", place: place, offset: at)
    }
    guard isChecksummedByParts == (name == Name.data), !isChecksummedByParts || !isCompressed,
      !isChecksummedByParts || checksum == 0
    else {
      throw DeclipError(
        .badData, "has flags that do not go with its name", place: place, offset: at)
    }
  }
}
