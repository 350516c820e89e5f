@_spi(_Unicode) import Swift

/// The clean-up of a text before it is split into tokens.
///
/// The original calls `ftfy.fix_text`, unescapes HTML twice, joins words by single spaces and
/// lower-cases. All of it is done here but one thing: text that was decoded in the wrong
/// encoding ("Ã©" for "é") is not repaired, it is taken as it is written.
enum TextCleaning {
  /// `text` as the tokenizer splits it.
  static func cleaned(_ text: String) -> [Unicode.Scalar] {
    var scalars = Array(text.unicodeScalars)
    if !scalars.allSatisfy(isPlain) {
      scalars = fixed(scalars)
      scalars = HTMLReferences.unescaped(HTMLReferences.unescaped(scalars))
    }
    return lowercased(joined(scalars))
  }

  /// Whether no fix concerns the character: the common case, printable ASCII.
  private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    " "..."~" ~= scalar && scalar != "&"
  }

  // MARK: - ftfy

  /// Line by line, all fixes until nothing changes. HTML is unescaped up to the first line that
  /// holds a `<`, since from there on the text may be HTML itself.
  private static func fixed(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var isHTML = false
    var rest = text[...]
    while !rest.isEmpty {
      let end = rest.firstIndex(of: "\n").map { $0 + 1 } ?? rest.endIndex
      var line = Array(rest[..<end])
      rest = rest[end...]
      isHTML = isHTML || line.contains("<")
      while true {
        let before = line
        if !isHTML { line = entitiesReplaced(line) }
        line = normalized(withoutTerminalEscapes(line.flatMap(replacement)))
        if line == before { break }
      }
      result += line
    }
    return result
  }

  /// References with a semicolon decoded, capitalised names of small letters too.
  private static func entitiesReplaced(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var at = 0
    while at < text.count {
      var end = at + 1
      if text[at] == "&" {
        if end < text.count, text[end] == "#" { end += 1 }
        let first = end
        while end < text.count, end - first < 24, text[end].isASCII,
          text[end].properties.isAlphabetic || "0"..."9" ~= text[end]
        { end += 1 }
        if end > first, end < text.count, text[end] == ";",
          let scalars = entity(Array(text[at...end]))
        {
          result += scalars
          at = end + 1
          continue
        }
      }
      result.append(text[at])
      at += 1
    }
    return result
  }

  /// What `&...;` stands for; nil where it is no reference that ends there.
  private static func entity(_ reference: [Unicode.Scalar]) -> [Unicode.Scalar]? {
    let name = Array(reference[1..<(reference.count - 1)])
    if name.first == "#" {
      let scalars = HTMLReferences.unescaped(reference)
      return scalars.contains(";") ? nil : scalars
    }
    if let scalars = HTMLReferences.named(name) { return scalars }
    let lower = name.flatMap { Array($0.properties.lowercaseMapping.unicodeScalars) }
    guard !name.contains(where: \.properties.isLowercase),
      HTMLReferences.unescaped(reference) == reference,
      let scalars = HTMLReferences.named(lower)
    else { return nil }
    return scalars.flatMap { Array($0.properties.uppercaseMapping.unicodeScalars) }
  }

  /// The fixes of single characters, in the original's order: control codes that Windows uses
  /// for punctuation, Latin ligatures, character widths, quotation marks, line ends, controls.
  private static func replacement(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
    if scalar.isASCII { return isControl(scalar) ? [] : [scalar == "\r" ? "\n" : scalar] }
    var scalar = scalar
    if 0x80...0x9f ~= scalar.value { scalar = WindowsControls.scalar(Int(scalar.value)) }
    if let parts = CharacterForms.replacement(for: scalar) {
      return parts.flatMap { $0.isASCII ? [$0] : [straightened($0)] }
    }
    return isControl(scalar) ? [] : [straightened(scalar)]
  }

  private static func straightened(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    switch scalar.value {
    case 0x02bc, 0x2018...0x201b: "'"
    case 0x201c...0x201f: "\""
    case 0x2028, 0x2029: "\n"
    default: scalar
    }
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    // Escape stays until terminal sequences, which start with it, are gone.
    case 0x1b: false
    case 0..<0x09, 0x0b, 0x0e..<0x20, 0x7f, 0x206a..<0x2070, 0xfeff, 0xfff9..<0xfffd: true
    default: false
    }
  }

  /// The text without colour codes and other escape characters.
  private static func withoutTerminalEscapes(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard text.contains("\u{1b}") else { return text }
    var result: [Unicode.Scalar] = []
    var at = 0
    while at < text.count {
      guard text[at] == "\u{1b}" else {
        result.append(text[at])
        at += 1
        continue
      }
      var end = at + 1
      if end < text.count, text[end] == "[" {
        end += 1
        while end < text.count,
          text[end] == ";" || text[end].properties.generalCategory == .decimalNumber
        { end += 1 }
        if end < text.count, "a"..."z" ~= text[end] || "A"..."Z" ~= text[end] { at = end }
      }
      at += 1
    }
    return result
  }

  /// Unicode's normal form C. The standard library computes it for comparing strings and offers
  /// it under this marker only; a table of our own, or Foundation, would cost far more.
  private static func normalized(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    if text.allSatisfy({ $0.value < 0x300 }) { return text }
    return Array(String(String.UnicodeScalarView(text))._nfc)
  }

  // MARK: - Words and case

  /// Words joined by single spaces, with nothing around them.
  private static func joined(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    for word in text.split(whereSeparator: isSpace) {
      if !result.isEmpty { result.append(" ") }
      result += word
    }
    return result
  }

  /// Whether Python splits there: white space, and the four separators of ASCII.
  static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || 0x1c...0x1f ~= scalar.value
  }

  /// Unicode's full lower-casing, with the Greek sigma that ends a word.
  private static func lowercased(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    for (index, scalar) in text.enumerated() {
      if scalar.isASCII {
        result.append("A"..."Z" ~= scalar ? Unicode.Scalar(UInt8(scalar.value) + 32) : scalar)
      } else if scalar == "\u{3a3}" {
        let follows = text[(index + 1)...].first { !$0.properties.isCaseIgnorable }
        let precedes = text[..<index].last { !$0.properties.isCaseIgnorable }
        let isFinal =
          precedes?.properties.isCased == true && follows?.properties.isCased != true
        result.append(isFinal ? "\u{3c2}" : "\u{3c3}")
      } else {
        result += scalar.properties.lowercaseMapping.unicodeScalars
      }
    }
    return result
  }
}
