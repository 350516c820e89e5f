import Model

/// Reads little-endian values from untrusted bytes, one after another.
///
/// Every read is checked against the end; what does not fit throws `badData` naming `place`.
struct ByteCursor {
  private let bytes: ByteView
  private let place: String
  private(set) var offset = 0

  init(_ bytes: ByteView, place: String) {
    self.bytes = bytes
    self.place = place
  }

  /// The bytes not yet read.
  var remaining: Int { bytes.count - offset }

  /// The next integer.
  mutating func read<Value: FixedWidthInteger>(_: Value.Type) throws(DeclipError) -> Value {
    let size = MemoryLayout<Value>.size
    try require(size)
    defer { offset += size }
    return bytes.withUnsafeBytes {
      Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
  }

  /// The next `count` bytes as text; throws `badData` where they are not UTF-8.
  mutating func readString(_ count: Int) throws(DeclipError) -> String {
    try require(count)
    let start = offset
    offset += count
    let text = bytes.withUnsafeBytes {
      String(validating: $0[start..<start + count], as: UTF8.self)
    }
    guard let text else {
      throw DeclipError(.badData, "text at byte \(start) of its content is not UTF-8", place: place)
    }
    return text
  }

  /// Throws `badData` unless everything was read.
  func finish() throws(DeclipError) {
    guard remaining == 0 else {
      throw DeclipError(.badData, "has \(remaining) bytes after its content", place: place)
    }
  }

  private func require(_ count: Int) throws(DeclipError) {
    guard count <= remaining else {
      throw DeclipError(
        .badData, "ends after \(bytes.count) bytes, in the middle of its content", place: place)
    }
  }
}
