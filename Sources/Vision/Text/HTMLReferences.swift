/// Character references of HTML, decoded as Python's `html.unescape` does.
enum HTMLReferences {
  /// `text` with every reference replaced, those that lack their semicolon too.
  static func unescaped(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard text.contains("&") else { return text }
    var result: [Unicode.Scalar] = []
    var at = 0
    while at < text.count {
      if text[at] == "&", let (scalars, end) = reference(in: text, at: at + 1) {
        result += scalars
        at = end
      } else {
        result.append(text[at])
        at += 1
      }
    }
    return result
  }

  /// The scalars that a name stands for, where the name ends with a semicolon.
  static func named(_ name: [Unicode.Scalar]) -> [Unicode.Scalar]? {
    names[String(String.UnicodeScalarView(name))]?.scalars
  }

  /// What the reference after an ampersand stands for, and where it ends.
  private static func reference(
    in text: [Unicode.Scalar], at start: Int
  ) -> ([Unicode.Scalar], end: Int)? {
    if start < text.count, text[start] == "#" { return number(in: text, at: start + 1) }
    let stops: Set<Unicode.Scalar> = ["\t", "\n", "\u{c}", " ", "<", "&", "#", ";"]
    var end = start
    while end < text.count, end - start < 32, !stops.contains(text[end]) { end += 1 }
    let name = String(String.UnicodeScalarView(text[start..<end]))
    if end < text.count, text[end] == ";", let entity = names[name] {
      return (entity.scalars, end + 1)
    }
    // Old pages leave the semicolon out: the longest name that may, with whatever follows it.
    for length in stride(from: end - start, through: 2, by: -1) {
      let prefix = String(String.UnicodeScalarView(text[start..<(start + length)]))
      if let entity = names[prefix], entity.isComplete { return (entity.scalars, start + length) }
    }
    return nil
  }

  /// A decimal or hexadecimal reference after `&#`.
  private static func number(
    in text: [Unicode.Scalar], at start: Int
  ) -> ([Unicode.Scalar], end: Int)? {
    let isHexadecimal = start < text.count && (text[start] == "x" || text[start] == "X")
    let first = isHexadecimal ? start + 1 : start
    var value = 0
    var end = first
    while end < text.count, text[end].isASCII,
      let digit = Character(text[end]).hexDigitValue, isHexadecimal || digit < 10
    {
      value = min(value * (isHexadecimal ? 16 : 10) + digit, 0x110000)
      end += 1
    }
    if end == first { return nil }
    if end < text.count, text[end] == ";" { end += 1 }
    return (scalars(forNumber: value), end)
  }

  /// What a numeric reference stands for by the rules of HTML 5: old encodings' control codes
  /// become the characters that were meant, what is no character becomes U+FFFD or nothing.
  private static func scalars(forNumber value: Int) -> [Unicode.Scalar] {
    if value == 0 { return ["\u{fffd}"] }
    if value == 0x0d { return ["\r"] }
    if 0x80...0x9f ~= value { return [WindowsControls.scalar(value)] }
    guard let scalar = Unicode.Scalar(UInt32(value)) else { return ["\u{fffd}"] }
    let isInvalid =
      1...8 ~= value || value == 0x0b || 0x0e...0x1f ~= value || value == 0x7f
      || 0xfdd0...0xfdef ~= value || value & 0xfffe == 0xfffe
    return isInvalid ? [] : [scalar]
  }

  private struct Entity {
    var scalars: [Unicode.Scalar]
    /// Whether the name also stands without a semicolon.
    var isComplete: Bool
  }

  /// The table by name, read when the first reference is met.
  private static let names: [String: Entity] = {
    var names: [String: Entity] = [:]
    let table = htmlEntityTable.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
    for word in table.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
      let parts = word.split(separator: "=", maxSplits: 1)
      guard let name = parts.first, let codes = parts.last else { continue }
      let scalars = codes.split(separator: ",").compactMap { code in
        UInt32(code, radix: 16).flatMap { Unicode.Scalar($0) }
      }
      names[String(name.filter { $0 != "*" })] = Entity(
        scalars: scalars, isComplete: name.hasSuffix("*"))
    }
    return names
  }()
}

/// The characters that Windows-1252 has where Unicode has control codes 0x80 to 0x9f.
enum WindowsControls {
  private static let scalars: [Unicode.Scalar] = Array(
    """
    \u{20ac}\u{81}\u{201a}\u{192}\u{201e}\u{2026}\u{2020}\u{2021}\
    \u{2c6}\u{2030}\u{160}\u{2039}\u{152}\u{8d}\u{17d}\u{8f}\
    \u{90}\u{2018}\u{2019}\u{201c}\u{201d}\u{2022}\u{2013}\u{2014}\
    \u{2dc}\u{2122}\u{161}\u{203a}\u{153}\u{9d}\u{17e}\u{178}
    """.unicodeScalars)

  /// The character for a code of 0x80 to 0x9f; codes without one stand for themselves.
  static func scalar(_ code: Int) -> Unicode.Scalar { scalars[code - 0x80] }
}
