/// Characters that stand for others only because of old encodings or typesetting: Latin
/// ligatures and digraphs, full-width ASCII, half-width katakana and Hangul.
enum CharacterForms {
  /// What the character stands for; nil where it stands for itself.
  static func replacement(for scalar: Unicode.Scalar) -> [Unicode.Scalar]? {
    switch scalar.value {
    case 0x3000: return [" "]
    case 0xff01...0xff5e: return Unicode.Scalar(scalar.value - 0xfee0).map { [$0] }
    case 0xff5f: return ["\u{2985}"]
    case 0xff60: return ["\u{2986}"]
    case 0xff61...0xff9f: return [katakana[Int(scalar.value) - 0xff61]]
    case 0xffa0...0xffdc: return hangul(scalar.value)
    case 0xffe0...0xffee: return symbols[scalar]
    case 0x0132...0x01f3, 0xfb00...0xfb06: return ligatures[scalar]
    default: return nil
    }
  }

  private static let ligatures: [Unicode.Scalar: [Unicode.Scalar]] = [
    "\u{132}": ["I", "J"], "\u{133}": ["i", "j"], "\u{149}": ["\u{2bc}", "n"],
    "\u{1f1}": ["D", "Z"], "\u{1f2}": ["D", "z"], "\u{1f3}": ["d", "z"],
    "\u{1c4}": ["D", "\u{17d}"], "\u{1c5}": ["D", "\u{17e}"], "\u{1c6}": ["d", "\u{17e}"],
    "\u{1c7}": ["L", "J"], "\u{1c8}": ["L", "j"], "\u{1c9}": ["l", "j"],
    "\u{1ca}": ["N", "J"], "\u{1cb}": ["N", "j"], "\u{1cc}": ["n", "j"],
    "\u{fb00}": ["f", "f"], "\u{fb01}": ["f", "i"], "\u{fb02}": ["f", "l"],
    "\u{fb03}": ["f", "f", "i"], "\u{fb04}": ["f", "f", "l"], "\u{fb05}": ["\u{17f}", "t"],
    "\u{fb06}": ["s", "t"],
  ]

  private static let symbols: [Unicode.Scalar: [Unicode.Scalar]] = [
    "\u{ffe0}": ["\u{a2}"], "\u{ffe1}": ["\u{a3}"], "\u{ffe2}": ["\u{ac}"],
    "\u{ffe3}": [" ", "\u{304}"], "\u{ffe4}": ["\u{a6}"], "\u{ffe5}": ["\u{a5}"],
    "\u{ffe6}": ["\u{20a9}"], "\u{ffe8}": ["\u{2502}"], "\u{ffe9}": ["\u{2190}"],
    "\u{ffea}": ["\u{2191}"], "\u{ffeb}": ["\u{2192}"], "\u{ffec}": ["\u{2193}"],
    "\u{ffed}": ["\u{25a0}"], "\u{ffee}": ["\u{25cb}"],
  ]

  /// U+FF61 to U+FF9F; the last two are the combining voicing marks.
  private static let katakana = Array(
    """
    。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノ\
    ハヒフヘホマミムメモヤユヨラリルレロワン\u{3099}\u{309a}
    """.unicodeScalars)

  /// The conjoining jamo of half-width consonants U+FFA1 to U+FFBE.
  private static let consonants: [UInt32] = [
    0x1100, 0x1101, 0x11aa, 0x1102, 0x11ac, 0x11ad, 0x1103, 0x1104, 0x1105, 0x11b0, 0x11b1,
    0x11b2, 0x11b3, 0x11b4, 0x11b5, 0x111a, 0x1106, 0x1107, 0x1108, 0x1121, 0x1109, 0x110a,
    0x110b, 0x110c, 0x110d, 0x110e, 0x110f, 0x1110, 0x1111, 0x1112,
  ]

  private static func hangul(_ code: UInt32) -> [Unicode.Scalar]? {
    let jamo: UInt32
    switch code {
    case 0xffa0: jamo = 0x1160
    case 0xffa1...0xffbe: jamo = consonants[Int(code - 0xffa1)]
    // Vowels lie in groups of six that start every eight codes.
    case 0xffc2...0xffdc where code & 7 >= 2:
      jamo = 0x1161 + (code - 0xffc2) / 8 * 6 + (code - 0xffc2) % 8
    default: return nil
    }
    return Unicode.Scalar(jamo).map { [$0] }
  }
}
