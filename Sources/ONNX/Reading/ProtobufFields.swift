import Model

/// The fields of one protobuf message, in the order of the file
/// (https://protobuf.dev/programming-guides/encoding).
struct ProtobufFields {
  /// One field as it is encoded.
  struct Field {
    /// The field's number.
    let number: Int
    /// Tag and content, to be copied verbatim.
    let encoded: ByteView
    /// The content of a length-delimited field; nil for any other wire type.
    let content: ByteView?
    /// The number of a varint field; nil for any other wire type.
    let varint: UInt64?
  }

  private let message: ByteView
  private let place: String
  private var position = 0

  /// The fields of `message`, which errors call `place`.
  init(_ message: ByteView, place: String) {
    self.message = message
    self.place = place
  }

  /// The next field, nil at the end.
  ///
  /// Throws `badData` where the encoding is broken off or not protobuf.
  mutating func next() throws(DeclipError) -> Field? {
    guard position < message.count else { return nil }
    let start = position
    let tag = try varint()
    let number = tag >> 3
    guard (1..<(1 << 29)).contains(number) else { throw broken(at: start) }
    var (content, value): (ByteView?, UInt64?)
    switch tag & 7 {
    case 0: value = try varint()
    case 1: try skip(8, from: start)
    case 2:
      let length = try varint()
      content = message.slice(offset: UInt64(position), length: length)
      try skip(length, from: start)
    case 5: try skip(4, from: start)
    // Groups went out of use before ONNX began.
    default: throw broken(at: start)
    }
    guard let encoded = message.slice(offset: UInt64(start), length: UInt64(position - start))
    else { throw broken(at: start) }
    return Field(number: Int(number), encoded: encoded, content: content, varint: value)
  }

  private mutating func varint() throws(DeclipError) -> UInt64 {
    let start = position
    var value: UInt64 = 0
    for index in 0..<10 {
      guard position < message.count else { throw broken(at: start) }
      let byte = message.withUnsafeBytes { $0[position] }
      position += 1
      value |= UInt64(byte & 0x7f) &<< UInt64(7 * index)
      if byte < 0x80 { return value }
    }
    throw broken(at: start)
  }

  private mutating func skip(_ length: UInt64, from start: Int) throws(DeclipError) {
    guard length <= UInt64(message.count - position) else { throw broken(at: start) }
    position += Int(length)
  }

  private func broken(at offset: Int) -> DeclipError {
    DeclipError(
      .badData, "the protobuf encoding breaks at byte \(offset) of \(message.count)",
      place: place, expected: "an ONNX model",
      remedy: "the file is incomplete or not an ONNX model; copy or export it again")
  }
}

/// Numbers of seven bits a byte, one after the other, as packed fields hold them.
struct PackedVarints: Sequence, IteratorProtocol {
  private let bytes: ByteView
  private var position = 0

  init(_ bytes: ByteView) { self.bytes = bytes }

  /// How many numbers there are; an unfinished one at the end does not count.
  var count: Int { bytes.withUnsafeBytes { $0.count { $0 < 0x80 } } }

  /// The next number; of more than ten bytes only the lowest 64 bits.
  mutating func next() -> UInt64? {
    bytes.withUnsafeBytes { bytes in
      var (value, shift): (UInt64, UInt64) = (0, 0)
      while position < bytes.count {
        let byte = bytes[position]
        position += 1
        if shift < 64 { value |= UInt64(byte & 0x7f) << shift }
        shift += 7
        if byte < 0x80 { return value }
      }
      return nil
    }
  }
}

/// Bytes put together from parts of a message.
struct ProtobufBytes {
  private(set) var bytes: [UInt8] = []

  /// Appends a field verbatim.
  mutating func append(_ field: ProtobufFields.Field) {
    field.encoded.withUnsafeBytes { bytes.append(contentsOf: $0) }
  }

  /// Appends a length-delimited field.
  mutating func append(number: Int, content: [UInt8]) {
    append(varint: UInt64(number << 3 | 2))
    append(varint: UInt64(content.count))
    bytes.append(contentsOf: content)
  }

  private mutating func append(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
