/// Cuts a cleaned text into the words that are encoded one by one, as the original's pattern does:
///
///     START|END|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
///
/// At every position the first alternative that matches is taken; what none matches is skipped.
struct WordSplitter {
  /// The spellings of the start and the end token, which stand for themselves in a text.
  let specials: [[Unicode.Scalar]]

  private static let contractions: [[Unicode.Scalar]] = [
    ["s"], ["t"], ["r", "e"], ["v", "e"], ["m"], ["l", "l"], ["d"],
  ]

  /// A word, or the index of a special token.
  enum Word: Hashable {
    case text(ArraySlice<Unicode.Scalar>)
    case special(Int)
  }

  /// The word that starts at or after `position`, which is moved behind it; nil at the end.
  func next(in text: [Unicode.Scalar], from position: inout Int) -> Word? {
    while position < text.count {
      let start = position
      if let index = specials.firstIndex(where: { matches($0, text, start) }) {
        position += specials[index].count
        return .special(index)
      }
      if text[start] == "'",
        let ending = WordSplitter.contractions.first(where: { matches($0, text, start + 1) })
      {
        position += 1 + ending.count
        return .text(text[start..<position])
      }
      switch Kind(text[start]) {
      case .space:
        position += 1
      case .digit:
        position += 1
        return .text(text[start..<position])
      case let kind:
        while position < text.count, Kind(text[position]) == kind { position += 1 }
        return .text(text[start..<position])
      }
    }
    return nil
  }

  private func matches(
    _ pattern: [Unicode.Scalar], _ text: [Unicode.Scalar], _ start: Int
  ) -> Bool {
    guard !pattern.isEmpty, start + pattern.count <= text.count else { return false }
    // The pattern ignores case, by which the long s is an s; all else is lower case already.
    return pattern.indices.allSatisfy {
      text[start + $0] == pattern[$0] || (pattern[$0] == "s" && text[start + $0] == "\u{17f}")
    }
  }

  private enum Kind {
    case letter, digit, space, other

    init(_ scalar: Unicode.Scalar) {
      if scalar.isASCII {
        self =
          switch scalar {
          case "a"..."z", "A"..."Z": .letter
          case "0"..."9": .digit
          default: TextCleaning.isSpace(scalar) ? .space : .other
          }
        return
      }
      self =
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
          .letter
        case .decimalNumber, .letterNumber, .otherNumber: .digit
        default: TextCleaning.isSpace(scalar) ? .space : .other
        }
    }
  }
}
