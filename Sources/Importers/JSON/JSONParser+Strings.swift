import Model

extension JSONParser {
  /// The string that starts at the quote that comes next.
  mutating func string() throws(DeclipError) -> String {
    position += 1
    let start = position
    while let byte = peek {
      switch byte {
      case UInt8(ascii: "\""):
        defer { position += 1 }
        // Longer texts lie in memory of their own, shorter ones in the value.
        if position - start > 15 { try take(position - start + 32) }
        return text(start..<position)
      case UInt8(ascii: "\\"): return try escapedString(from: start)
      case 0..<0x20: throw unexpected("no control character in a string")
      default: position += 1
      }
    }
    throw unexpected("the end of a string")
  }

  /// The rest of a string with escapes; `start` is where the string began.
  private mutating func escapedString(from start: Int) throws(DeclipError) -> String {
    // Escapes only shorten: room for the whole is enough, and twice that for the text beside it.
    let end = closingQuote()
    try take(2 * (end - start) + 64)
    var result: [UInt8] = []
    result.reserveCapacity(end - start)
    result += bytes[start..<position]
    while let byte = peek {
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return String(decoding: result, as: UTF8.self)
      case UInt8(ascii: "\\"): try appendEscape(to: &result)
      case 0..<0x20: throw unexpected("no control character in a string")
      default:
        result.append(byte)
        position += 1
      }
    }
    throw unexpected("the end of a string")
  }

  /// The place of the quote that ends the string, or the end of the document.
  private func closingQuote() -> Int {
    var place = position
    while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
      place += bytes[place] == UInt8(ascii: "\\") ? 2 : 1
    }
    return min(place, bytes.count)
  }

  private mutating func appendEscape(to result: inout [UInt8]) throws(DeclipError) {
    position += 1
    guard let byte = peek else { throw unexpected("an escape") }
    let plain: UInt8
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): plain = byte
    case UInt8(ascii: "b"): plain = 0x08
    case UInt8(ascii: "f"): plain = 0x0C
    case UInt8(ascii: "n"): plain = 0x0A
    case UInt8(ascii: "r"): plain = 0x0D
    case UInt8(ascii: "t"): plain = 0x09
    case UInt8(ascii: "u"):
      let scalar = try unicodeEscape()
      result.append(contentsOf: String(Character(scalar)).utf8)
      return
    default: throw unexpected("one of the escapes \" \\ / b f n r t u")
    }
    position += 1
    result.append(plain)
  }

  /// One scalar from `uXXXX`, or from a pair of surrogates `uXXXX\uXXXX`.
  private mutating func unicodeEscape() throws(DeclipError) -> Unicode.Scalar {
    let start = here - 1
    let first = try fourHexDigits()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, take("\\"), peek == UInt8(ascii: "u") else { throw unpaired(start) }
    let second = try fourHexDigits()
    guard (0xDC00..<0xE000).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else { throw unpaired(start) }
    return scalar
  }

  private func unpaired(_ start: UInt64) -> DeclipError {
    DeclipError(
      .badData, "invalid JSON: a lone surrogate", offset: start, expected: "a pair of surrogates")
  }

  private mutating func fourHexDigits() throws(DeclipError) -> UInt32 {
    position += 1
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw unexpected("four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  private func text(_ range: Range<Int>) -> String {
    String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self)
  }
}

/// The place of the first byte that does not belong to well-formed UTF-8, nil where all do
/// (Unicode 15, table 3-7).
func firstInvalidUTF8(in bytes: UnsafeRawBufferPointer) -> Int? {
  var place = 0
  while place < bytes.count {
    if place + 8 <= bytes.count,
      bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
    {
      place += 8
      continue
    }
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch bytes[place] {
    case 0..<0x80:
      place += 1
      continue
    case 0xC2...0xDF: length = 2
    case 0xE0: (length, second) = (3, 0xA0...0xBF)
    case 0xED: (length, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: length = 3
    case 0xF0: (length, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: length = 4
    case 0xF4: (length, second) = (4, 0x80...0x8F)
    default: return place
    }
    guard place + length <= bytes.count, second.contains(bytes[place + 1]) else { return place }
    for next in place + 2..<place + length where !(0x80...0xBF).contains(bytes[next]) {
      return place
    }
    place += length
  }
  return nil
}
