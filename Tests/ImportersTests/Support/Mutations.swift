extension [UInt8] {
  /// Every opcode, and a few that are none.
  private static let opcodes = Self(0x28...0x7D) + Self(0x80...0x98) + [0x00, 0xFF]

  /// A pickle with one to three opcodes or runs changed.
  func withMutatedOpcodes(_ random: inout Seeded) -> [UInt8] {
    var bytes = self
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      let place = Int.random(in: 0..<bytes.count, using: &random)
      let opcode = Self.opcodes[Int.random(in: 0..<Self.opcodes.count, using: &random)]
      switch Int.random(in: 0..<6, using: &random) {
      case 0: bytes[place] = opcode
      case 1: bytes.insert(opcode, at: place)
      case 2: bytes.remove(at: place)
      case 3: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 4: bytes = bytes.withExtremeInteger(&random)
      default:
        // A run is repeated elsewhere.
        let run = bytes[place..<Swift.min(bytes.count, place + 1 + place % 40)]
        bytes.insert(contentsOf: run, at: Int.random(in: 0...bytes.count, using: &random))
      }
    }
    return bytes
  }

  /// A pickle in which a number of one byte, BININT1, has become an extreme one, LONG1.
  func withExtremeInteger(_ random: inout Seeded) -> [UInt8] {
    var bytes = self
    let place = Int.random(in: 0..<count, using: &random)
    guard let small = bytes[place...].firstIndex(of: 0x4B), small + 1 < count,
      let value = Corpus.extremes.randomElement(using: &random)
    else { return bytes }
    bytes.replaceSubrange(small...small + 1, with: [0x8A, 8] + littleEndian(value))
    return bytes
  }

  /// A pickle in which one value recalls another, BINGET, so that objects hold themselves or each
  /// other.
  func withOtherMemo(_ random: inout Seeded) -> [UInt8] {
    var bytes = self
    let recalls = indices.dropLast().filter { bytes[$0] == 0x68 }
    for _ in 0..<3 {
      guard let place = recalls.randomElement(using: &random) else { break }
      bytes[place + 1] = UInt8.random(in: 0...40, using: &random)
    }
    return bytes
  }

  /// A pickle in which one text, BINUNICODE, is another.
  func withOtherText(_ text: String, _ random: inout Seeded) -> [UInt8] {
    let texts = indices.dropLast(5).filter { place in
      self[place] == 0x58 && self[place + 2] == 0 && self[place + 3] == 0 && self[place + 4] == 0
        && place + 5 + Int(self[place + 1]) <= count
    }
    guard let place = texts.randomElement(using: &random) else { return self }
    let end = place + 5 + Int(self[place + 1])
    return self[..<place] + PickleWriter.text(text) + self[end...]
  }

  /// A zip archive with extreme numbers in one or two fields of its structures.
  func withUntrueZipFields(_ random: inout Seeded) -> [UInt8] {
    var bytes = self
    let starts = indices.dropLast(3).filter {
      self[$0] == 0x50 && self[$0 + 1] == 0x4B && self[$0 + 2] < 9 && self[$0 + 3] < 9
    }
    for _ in 0..<Int.random(in: 1...2, using: &random) {
      guard let start = starts.randomElement(using: &random),
        let value = Corpus.extremes.randomElement(using: &random),
        let width = [1, 2, 4, 8].randomElement(using: &random)
      else { break }
      let place = start + Int.random(in: 4..<56, using: &random)
      for (index, byte) in littleEndian(value).prefix(width).enumerated()
      where place + index < count {
        bytes[place + index] = byte
      }
    }
    return bytes
  }
}
