import Testing

@testable import Importers

@Suite struct ByteStringTests {
  @Test func canonicalEquivalentsDiffer() {
    #expect("\u{e9}" == "e\u{301}")
    #expect(ByteString("\u{e9}") != ByteString("e\u{301}"))
    #expect(ByteString("\u{e9}") == ByteString("\u{e9}"))
    #expect(Set([ByteString("\u{e9}"), ByteString("e\u{301}")]).count == 2)
    #expect(ByteString("e\u{301}") < ByteString("\u{e9}"))
  }

  @Test func quotedTextStaysShortAndOnOneLine() {
    #expect(quoted("a\n\u{202E}b") == "'a\\u{a}\\u{202e}b'")
    #expect(quoted("abcdef", limit: 3) == "'abc…'")
    #expect(quoted("abc", limit: 3) == "'abc'")
  }

  @Test func pathsAreTakenApart() {
    #expect(Path.name(of: "/a/b.c") == "b.c")
    #expect(Path.name(of: "b.c") == "b.c")
    #expect(Path.folder(of: "/a/b.c") == "/a")
    #expect(Path.folder(of: "/b.c") == "/")
    #expect(Path.folder(of: "b.c") == ".")
    #expect(Path.join(".", "x") == "x")
    #expect(Path.join("/", "x") == "/x")
    #expect(Path.join("a", "x") == "a/x")
  }
}
