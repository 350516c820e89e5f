import Testing

@testable import Importers
@testable import Model

@Suite struct ZipArchiveTests {
  private let two = ZipWriter([.init("a", [1, 2, 3]), .init("b", [4])])

  private func contents(_ bytes: [UInt8]) throws -> [String: [UInt8]] {
    let archive = try ZipArchive(ByteView(bytes))
    var contents: [String: [UInt8]] = [:]
    for entry in archive.entries {
      contents[entry.name] = try archive.checkedContent(of: entry).array
    }
    return contents
  }

  private func expectRefusal(
    _ text: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ change: (inout ZipWriter) -> Void
  ) {
    var writer = two
    change(&writer)
    expectError(text, sourceLocation: sourceLocation) { try contents(writer.bytes) }
  }

  // MARK: - What is read

  @Test func storedEntriesAreRead() throws {
    var writer = two
    let expected: [String: [UInt8]] = ["a": [1, 2, 3], "b": [4]]
    #expect(try contents(writer.bytes) == expected)
    writer.comment = Array("a comment with PK\u{5}\u{6} in it".utf8)
    #expect(try contents(writer.bytes) == expected)
    writer.isLarge = true
    #expect(try contents(writer.bytes) == expected)
    #expect(try contents(ZipWriter([]).bytes).isEmpty)
  }

  @Test func entriesMayHavePaddingAndHoles() throws {
    var writer = two
    writer.entries[0].extra = Array("FB".utf8) + littleEndian(UInt16(3)) + [0, 0, 0]
    writer.entries[0].descriptor = [9, 9, 9]
    #expect(try contents(writer.bytes)["b"] == [4])
  }

  @Test func sizesAndPlacesMayBeInTheZIP64Field() throws {
    var writer = two
    let sizes = littleEndian(UInt64(3)) + littleEndian(UInt64(3))
    let start = littleEndian(UInt64(0))
    let padding: [UInt8] = [0x46, 0x42, 1, 0, 0]
    writer.entries[0].size = .max
    writer.entries[0].offset = .max
    writer.entries[0].directoryExtra = padding + [1, 0, 24, 0] + sizes + start
    writer.entries[0].localSize = .max
    writer.entries[0].extra = [1, 0, 16, 0] + sizes
    #expect(try contents(writer.bytes)["a"] == [1, 2, 3])
    writer.entries[0].directoryExtra = [1, 0, 16, 0] + sizes
    expectError(
      "entry 'a' at byte 86: its sizes and place cannot be told from the ZIP64 field"
    ) { try contents(writer.bytes) }
  }

  @Test(arguments: [false, true], [false, true])
  func sizesMayFollowTheData(hasSignature: Bool, isLong: Bool) throws {
    var writer = two
    let signature = hasSignature ? Array("PK\u{7}\u{8}".utf8) : []
    let size = isLong ? littleEndian(UInt64(3)) : littleEndian(UInt32(3))
    writer.entries[0].flags = 8
    writer.entries[0].localSize = 0
    writer.entries[0].descriptor =
      signature + littleEndian(writer.entries[0].checksum) + size + size
    #expect(try contents(writer.bytes)["a"] == [1, 2, 3])
    writer.entries[0].descriptor[writer.entries[0].descriptor.count - size.count] = 2
    expectError(
      "entry 'a' at byte 0: has another size in its data descriptor; the file is damaged; fetch it"
        + " again"
    ) { try contents(writer.bytes) }
  }

  @Test func archivesWithoutChecksumsAreRead() throws {
    var writer = two
    writer.entries[0].checksum = 0
    writer.entries[1].checksum = 0
    #expect(try contents(writer.bytes)["a"] == [1, 2, 3])
  }

  // MARK: - What is refused

  @Test func damagedDataAreNoticed() {
    expectRefusal(
      "entry 'a' at byte 31: the data do not have the recorded checksum; the file is damaged; fetch"
        + " it again"
    ) { $0.entries[0].content[1] = 7 }
  }

  @Test func compressedAndEncryptedEntriesAreRefused() {
    expectRefusal(
      "entry 'b' at byte 34: is compressed (method 8), expected a stored entry, as PyTorch writes"
        + " them; save it again with torch.save"
    ) { $0.entries[1].method = 8 }
    for flag: UInt16 in [1, 0x2000] {
      expectRefusal("entry 'b' at byte 34: is encrypted; decrypt the archive first") {
        $0.entries[1].flags = flag
      }
    }
  }

  @Test func entriesThatShareBytesAreRefused() {
    expectRefusal("entry 'b' at byte 34: is in the archive twice") {
      $0.entries[0].name = "b"
    }
    // The second entry's header lies inside the first one's data.
    let inner = Array(ZipWriter([.init("b", [4])]).bytes.prefix(32))
    expectRefusal("entry 'b' at byte 31: overlaps entry 'a'") {
      $0.entries[0] = .init("a", inner)
      $0.entries[1].offset = 31
    }
  }

  @Test func localHeadersAgreeWithTheDirectory() {
    let again = "; the file is damaged; fetch it again"
    expectRefusal("entry 'a' at byte 0: has another name in its local header" + again) {
      $0.entries[0].localName = "c"
    }
    expectRefusal("entry 'a' at byte 0: has another size in its local header" + again) {
      $0.entries[0].localSize = 2
    }
    expectRefusal("entry 'a' at byte 0: has another size in its local header" + again) {
      $0.entries[0].size = 2
    }
    expectRefusal("entry 'b' at byte 1: has no local header" + again) {
      $0.entries[1].offset = 1
    }
    expectRefusal("entry 'b' at byte 4294967294: has no local header" + again) {
      $0.entries[1].offset = .max - 1
    }
    expectRefusal("entry 'b' at byte 34: 99 bytes reach into the directory or beyond the file") {
      $0.entries[1].size = 99
    }
  }

  /// Writes `value` at `offset` from the end of an archive.
  private func patched(_ value: [UInt8], fromEnd offset: Int, isLarge: Bool = false) -> [UInt8] {
    var writer = two
    writer.isLarge = isLarge
    var bytes = writer.bytes
    bytes.replaceSubrange(bytes.count - offset..<bytes.count - offset + value.count, with: value)
    return bytes
  }

  @Test func endRecordsAreChecked() {
    let part = "the archive is one part of several, expected a zip archive in one file"
    expectError("zip directory at byte 160: \(part)") {
      try contents(patched([1, 0], fromEnd: 18))
    }
    expectError("zip directory at byte 160: \(part)") {
      try contents(patched([1, 0], fromEnd: 14))
    }
    expectError("zip directory at byte 160: 3 entries do not fit into 94 bytes") {
      try contents(patched([3, 0, 3, 0], fromEnd: 14))
    }
    expectError(
      "zip directory at byte 160: 95 bytes at 66 do not end at the end record, expected an end at"
        + " 160; the file may be truncated; fetch it again"
    ) { try contents(patched([95], fromEnd: 10)) }
    expectError("zip directory at byte 113: 47 bytes follow its 1 entries") {
      try contents(patched([1, 0, 1, 0], fromEnd: 14))
    }
    expectError("the zip archive has no end record; the file may be truncated; fetch it again") {
      try contents([0x50, 0x4B, 3, 4])
    }
  }

  @Test func largeEndRecordsAreChecked() {
    let huge = littleEndian(UInt64.max - 7)
    let expected = "the ZIP64 locator does not point to the ZIP64 end record"
    expectError("zip directory at byte 216: \(expected)") {
      try contents(patched(huge, fromEnd: 34, isLarge: true))
    }
    expectError("zip directory at byte 160: the directory lies outside the file") {
      try contents(patched(huge, fromEnd: 50, isLarge: true))
    }
    let largest = littleEndian(UInt64(Int.max))
    #expect(throws: DeclipError.self) {
      try contents(patched(largest + largest, fromEnd: 58, isLarge: true))
    }
    #expect(throws: DeclipError.self) {
      try contents(patched(largest + largest, fromEnd: 74, isLarge: true))
    }
    expectError(
      "zip directory at byte 236: the end record disagrees with the ZIP64 end record"
    ) { try contents(patched([3, 0, 3, 0], fromEnd: 14, isLarge: true)) }
  }
}
