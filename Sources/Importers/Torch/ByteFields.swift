import Model

/// Little-endian numbers in a run of bytes, nil where they do not lie inside.
struct ByteFields {
  private let bytes: ByteView
  /// The number of bytes.
  var count: Int { bytes.count }

  init(_ bytes: ByteView) { self.bytes = bytes }

  /// The number at `offset`.
  func number<Number: FixedWidthInteger & UnsignedInteger>(
    _: Number.Type = Number.self, at offset: Int
  ) -> Number? {
    guard offset >= 0 else { return nil }
    return bytes.slice(offset: UInt64(offset), length: UInt64(Number.bitWidth / 8))?
      .withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(as: Number.self)) }
  }

  /// A 16-bit number as an `Int`.
  func short(at offset: Int) -> Int? { number(UInt16.self, at: offset).map(Int.init) }

  /// A 32-bit number as an `Int`.
  func word(at offset: Int) -> Int? { number(UInt32.self, at: offset).map(Int.init) }

  /// A 64-bit number as an `Int`, nil also where it is too large for one.
  func long(at offset: Int) -> Int? { number(UInt64.self, at: offset).flatMap(Int.init(exactly:)) }

  /// The `length` bytes from `offset`.
  func slice(at offset: Int, length: Int) -> ByteView? {
    guard offset >= 0, length >= 0 else { return nil }
    return bytes.slice(offset: UInt64(offset), length: UInt64(length))
  }
}
