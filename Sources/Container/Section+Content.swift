import Model

extension Section {
  /// The stored bytes, once their checksum is known to match; throws `badData`.
  func verified(in file: ByteView) throws(DeclipError) -> ByteView {
    guard let stored = file.slice(offset: offset, length: length) else {
      throw DeclipError(.badData, "does not lie in the file", place: place, offset: offset)
    }
    guard Checksum.of(stored) == checksum else {
      throw DeclipError(
        .badData, "is damaged: its checksum does not match", place: place, offset: offset,
        remedy: "copy or convert the file again")
    }
    return stored
  }

  /// The checked and decoded content; throws `badData`.
  func content(in file: ByteView) throws(DeclipError) -> ByteView {
    guard decodedLength <= Layout.maximumSectionLength else {
      throw DeclipError(
        .badData, "declares \(decodedLength) bytes", place: place, offset: offset,
        expected: "at most \(Layout.maximumSectionLength)")
    }
    let stored = try verified(in: file)
    guard isCompressed else { return stored }
    do throws(DeclipError) {
      let decompressor = try ZstdDecompressor()
      return try ByteView(count: Int(decodedLength)) { target throws(DeclipError) in
        try stored.withUnsafeBytes { bytes throws(DeclipError) in
          try decompressor.decompress(bytes, into: target)
        }
      }
    } catch {
      var error = error
      error.place = place
      error.offset = offset
      throw error
    }
  }
}
