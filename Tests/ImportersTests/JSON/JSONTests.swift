import Testing

@testable import Importers
@testable import Model

@Suite struct JSONTests {
  private func parse(_ text: String) throws -> JSON { try JSON.parse(ByteView(text)) }

  @Test func readsEveryKindOfValue() throws {
    let json = try parse(#" { "a" : [1, -2.5e3, true, false, null, "x"], "b": {} } "#)
    let values = try #require(json.object?["a"]?.array)
    #expect(values[0].integer == 1)
    #expect(values[1].double == -2500)
    #expect(values[1].integer == nil)
    #expect(values[2].bool == true)
    #expect(values[3].bool == false)
    #expect(values[4].described == "null")
    #expect(values[5].string == "x")
    #expect(values[5].offset == 40)
    #expect(json.object?["b"]?.object?.members.count == 0)
    #expect(json.object?["c"] == nil)
  }

  @Test func keepsIntegersOf64BitsExact() throws {
    #expect(try parse("9223372036854775807").integer == .max)
    #expect(try parse("-9223372036854775808").integer == .min)
    #expect(try parse("9223372036854775808").integer == nil)
    #expect(try parse("9223372036854775808").described == "9223372036854775808")
    #expect(try parse("-0").integer == 0)
    #expect(try parse("1e400").double == .infinity)
  }

  @Test func readsEscapes() throws {
    let text = try parse(#""\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00é""#).string
    #expect(text == "\"\\/\u{8}\u{c}\n\r\té😀é")
  }

  @Test func keysAreToldApartByBytes() throws {
    let json = try parse("{\"\u{e9}\": 1, \"e\u{301}\": 2}")
    #expect(json.object?["\u{e9}"]?.integer == 1)
    #expect(json.object?["e\u{301}"]?.integer == 2)
  }

  @Test func findsMembersOfLargeObjects() throws {
    let members = (0..<100).map { "\"k\($0)\": \($0)" }.joined(separator: ",")
    let json = try parse("{\(members)}")
    for key in 0..<100 { #expect(json.object?["k\(key)"]?.integer == key) }
    #expect(json.object?["k100"] == nil)
    expectError("at byte 982: key 'k42' occurs twice in an object") {
      try parse("{\(members), \"k42\": 0}")
    }
  }

  @Test(arguments: [
    ("", "at byte 0: invalid JSON: the document ends, expected a value"),
    ("[1,]", "at byte 3: invalid JSON: ']', expected a value"),
    ("[1 2]", "at byte 3: invalid JSON: '2', expected ',' or ']'"),
    ("{\"a\" 1}", "at byte 5: invalid JSON: '1', expected ':'"),
    ("{a: 1}", "at byte 1: invalid JSON: 'a', expected a key in quotes"),
    ("{\"a\": 1", "at byte 7: invalid JSON: the document ends, expected ',' or '}'"),
    ("{} {}", "at byte 3: invalid JSON: '{', expected the end of the document"),
    ("NaN", "at byte 0: invalid JSON: 'N', expected a value"),
    ("nul", "at byte 3: invalid JSON: the document ends, expected 'null'"),
    ("01", "at byte 1: invalid JSON: '1', expected no digit after a leading 0"),
    ("-", "at byte 1: invalid JSON: the document ends, expected a digit"),
    ("1.", "at byte 2: invalid JSON: the document ends, expected a digit"),
    ("1e+", "at byte 3: invalid JSON: the document ends, expected a digit"),
    ("\"a", "at byte 2: invalid JSON: the document ends, expected the end of a string"),
    (
      "\"a\nb\"",
      "at byte 2: invalid JSON: '\\u{a}', expected no control character in a string"
    ),
    ("\"\\x\"", #"at byte 2: invalid JSON: 'x', expected one of the escapes " \ / b f n r t u"#),
    ("\"\\u12g4\"", "at byte 5: invalid JSON: 'g', expected four hexadecimal digits"),
    (
      "\"\\ud800x\"", "at byte 1: invalid JSON: a lone surrogate, expected a pair of surrogates"
    ),
    (
      "\"\\udc00\"", "at byte 1: invalid JSON: a lone surrogate, expected a pair of surrogates"
    ),
    (
      "\"\\ud800\\u0041\"",
      "at byte 1: invalid JSON: a lone surrogate, expected a pair of surrogates"
    ),
    ("{\"a\": 1, \"a\": 2}", "at byte 9: key 'a' occurs twice in an object"),
    ("{\"a\": 1, \"\\u0061\": 2}", "at byte 9: key 'a' occurs twice in an object"),
    ("[1] é", "at byte 4: invalid JSON: 'é', expected the end of the document"),
  ])
  func refuses(_ text: String, _ message: String) {
    expectError(message) { try parse(text) }
  }

  @Test(
    arguments: [
      [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82],
      [0xF0, 0x8F, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF],
      [0xE2, 0x28, 0xA1], [0xF0, 0x9F, 0x98, 0x28],
    ] as [[UInt8]])
  func refusesInvalidUTF8(_ bytes: [UInt8]) {
    expectError("at byte 10: invalid UTF-8") {
      try JSON.parse(ByteView(Array("[\"abcdefgh".utf8) + bytes + Array("\"]".utf8)))
    }
  }

  @Test func acceptsValidUTF8OfEveryLength() throws {
    let text = "aé€😀\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FFFF}\u{10000}\u{10FFFF}"
    #expect(try parse("\"\(text)\"").string == text)
  }

  @Test func refusesDeepNesting() {
    expectError("at byte 64: JSON nested deeper than 64 levels") {
      try parse(String(repeating: "[", count: 100_000))
    }
  }

  @Test func offsetsCountFromTheStartOfTheFile() {
    expectError("at byte 108: invalid JSON: the document ends, expected a value") {
      try JSON.parse(ByteView("        "), fileOffset: 100)
    }
  }
}
