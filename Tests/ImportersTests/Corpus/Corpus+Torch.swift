@testable import Importers
@testable import Model

extension Corpus {
  static func torch() throws -> [Entry] {
    var entries: [Entry] = []
    for name in ["eva02", "views", "training", "protocol4", "attributes", "types"] {
      let original = try origin("torch/\(name).pt")
      let archive = try ZipArchive(ByteView(original))
      var parts: [ZipWriter.Entry] = []
      for entry in archive.entries {
        parts.append(.init(entry.name, try archive.content(of: entry).array))
      }
      let place = parts.firstIndex { $0.name.hasSuffix("data.pkl") } ?? 0
      let pickle = parts[place].content
      func add(_ kind: String, _ count: Int, _ make: @escaping (inout Seeded) -> [UInt8]) {
        entries += Entry.series("torch \(name) \(kind)", count, make)
      }
      /// The archive with another pickle and a true checksum, so that the machine is reached.
      func packed(_ pickle: [UInt8]) -> [UInt8] {
        var parts = parts
        parts[place] = .init(parts[place].name, pickle)
        return ZipWriter(parts).bytes
      }
      add("truncation", 40) { original.truncated(&$0) }
      add("bit flips", 60) { original.flipped(&$0) }
      add("splices", 20) { original.spliced(&$0) }
      add("zip fields", 80) { original.withUntrueZipFields(&$0) }
      add("pickle", 140) { packed(pickle.withMutatedOpcodes(&$0)) }
      add("absurd dimensions", 60) { packed(pickle.withExtremeInteger(&$0)) }
      add("cycles", 30) { packed(pickle.withOtherMemo(&$0)) }
      add("os.system", 20) { random in
        let call = PickleWriter.call(
          PickleWriter.global(
            ["os", "posix", "nt", "subprocess"].randomElement(using: &random) ?? "os", "system"),
          [PickleWriter.text("touch /tmp/declip-was-here")])
        // Anywhere in the pickle, also where it breaks what follows.
        let start = Int.random(in: 2..<pickle.count, using: &random)
        return packed(pickle[..<start] + call + pickle[start...])
      }
      add("path traversal", 15) { random in
        let key = ["../../etc/passwd", "/etc/passwd", "..", "", "0/../0"]
          .randomElement(using: &random)
        return packed(pickle.withOtherText(key ?? "", &random))
      }
      add("zip bomb", 15) { random in
        var parts = parts
        let index = Int.random(in: parts.indices, using: &random)
        parts[index].method = [8, 9, 12, 93].randomElement(using: &random) ?? 8
        switch Int.random(in: 0..<3, using: &random) {
        case 0: parts[index].size = [1 << 20, 1 << 31, .max].randomElement(using: &random)
        // Overlapping entries would unfold one content many times.
        case 1: parts[index].offset = 0
        default: break
        }
        return ZipWriter(parts).bytes
      }
    }
    return entries
  }
}
