import Testing

@testable import Importers
@testable import Model

@Suite struct TorchFuzzTests {
  private static let names = ["views", "training", "protocol4", "attributes", "types"]

  /// Numbers that lie at the edges of fields and of arithmetic.
  private static let extremes: [UInt64] = [
    0, 1, 7, 8, 0x7F, 0x80, 0xFF, 0xFFFE, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE,
    0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, .max,
  ]

  /// Every opcode, and a few that are none.
  private static let opcodes = Array(
    Array(UInt8(0x28)...0x7D) + Array(UInt8(0x80)...0x98) + [0x00, 0xFF])

  private func read(_ name: String) throws -> [UInt8] {
    try TorchFile(path: golden("torch/\(name).pt")).bytes.array
  }

  /// Reads, and touches every byte of every tensor; false where the file is refused.
  private func isRead(_ bytes: [UInt8], _ comment: @autoclosure () -> String) -> Bool {
    do {
      let file = try TorchFile(bytes: ByteView(bytes), path: "fuzz")
      for tensor in file.tensors {
        #expect(tensor.bytes.array.count == tensor.bytes.count, "\(comment())")
      }
      return true
    } catch {
      #expect(error.kind == .badData, "\(comment()): \(error)")
      return false
    }
  }

  @Test(arguments: names)
  func mutatedFilesAreReadOrRefused(name: String) throws {
    let original = try read(name)
    var random = Seeded(UInt64(name.utf8.count))
    var refused = 0
    for round in 0..<1500 {
      let bytes = original.mutated(with: ["PK", "\u{0}", "os.system", "a/data/0"], &random)
      if !isRead(bytes, "\(name), round \(round)") { refused += 1 }
    }
    #expect(refused > 500)
  }

  /// Writes extreme numbers over the fields of every zip structure.
  @Test(arguments: names)
  func mutatedZipFieldsAreReadOrRefused(name: String) throws {
    let original = try read(name)
    let starts = original.indices.dropLast(3).filter {
      original[$0] == 0x50 && original[$0 + 1] == 0x4B && original[$0 + 2] < 9
        && original[$0 + 3] < 9
    }
    var random = Seeded(11)
    var refused = 0
    for round in 0..<2000 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...2, using: &random) {
        let start = try #require(starts.randomElement(using: &random))
        let place = start + Int.random(in: 4..<56, using: &random)
        let value = try #require(Self.extremes.randomElement(using: &random))
        let width = try #require([1, 2, 4, 8].randomElement(using: &random))
        for (index, byte) in littleEndian(value).prefix(width).enumerated()
        where place + index < bytes.count {
          bytes[place + index] = byte
        }
      }
      if !isRead(bytes, "\(name), round \(round)") { refused += 1 }
    }
    #expect(refused > 500)
  }

  /// Mutates the pickle and packs it with a true checksum, so that the machine itself is reached.
  @Test(arguments: names)
  func mutatedPicklesAreReadOrRefused(name: String) throws {
    let archive = try ZipArchive(ByteView(try read(name)))
    var entries: [ZipWriter.Entry] = []
    for entry in archive.entries {
      entries.append(.init(entry.name, try archive.content(of: entry).array))
    }
    let place = try #require(entries.firstIndex { $0.name.hasSuffix("data.pkl") })
    let original = entries[place].content
    var random = Seeded(13)
    var readable = 0
    for round in 0..<3000 {
      entries[place] = .init(entries[place].name, mutated(original, &random))
      if isRead(ZipWriter(entries).bytes, "\(name), round \(round)") { readable += 1 }
    }
    // Some changes touch only what is not looked at.
    #expect(readable > 20 && readable < 2900)
  }

  private func mutated(_ original: [UInt8], _ random: inout Seeded) -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      let place = Int.random(in: 0..<bytes.count, using: &random)
      let opcode = Self.opcodes[Int.random(in: 0..<Self.opcodes.count, using: &random)]
      switch Int.random(in: 0..<6, using: &random) {
      case 0: bytes[place] = opcode
      case 1: bytes.insert(opcode, at: place)
      case 2: bytes.remove(at: place)
      case 3: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 4:
        // A number of one byte becomes a large one.
        guard let small = bytes[place...].firstIndex(of: 0x4B), small + 1 < bytes.count else {
          continue
        }
        let value = Self.extremes[Int.random(in: 0..<Self.extremes.count, using: &random)]
        bytes.replaceSubrange(small...small + 1, with: [0x8A, 8] + littleEndian(value))
      default:
        // A run is repeated elsewhere.
        let run = bytes[place..<min(bytes.count, place + 1 + place % 40)]
        bytes.insert(contentsOf: run, at: Int.random(in: 0...bytes.count, using: &random))
      }
    }
    return bytes
  }

  @Test(arguments: ["state_dict", "attributes"])
  func everyTruncationIsRefused(name: String) throws {
    let original = try read(name)
    for count in 0..<original.count {
      #expect(!isRead(Array(original.prefix(count)), "\(count) bytes"), "\(count) bytes")
    }
  }

  @Test func everyBitFlipOfTheDataIsRefused() throws {
    let original = try read("state_dict")
    let archive = try ZipArchive(ByteView(original))
    for name in ["state_dict/data.pkl", "state_dict/data/0", "state_dict/data/1"] {
      let entry = try #require(archive[name])
      for bit in 0..<entry.size * 8 {
        var bytes = original
        bytes[entry.dataOffset + bit / 8] ^= 1 << UInt8(bit % 8)
        #expect(!isRead(bytes, "bit \(bit)"), "\(name), bit \(bit)")
      }
    }
  }
}
