import Testing

@testable import Importers
@testable import Model

@Suite struct TorchFuzzTests {
  private static let names = ["views", "training", "protocol4", "attributes", "types"]

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
    var random = Seeded(11)
    var refused = 0
    for round in 0..<2000 {
      let bytes = original.withUntrueZipFields(&random)
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
      entries[place] = .init(entries[place].name, original.withMutatedOpcodes(&random))
      if isRead(ZipWriter(entries).bytes, "\(name), round \(round)") { readable += 1 }
    }
    // Some changes touch only what is not looked at.
    #expect(readable > 20 && readable < 2900)
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
