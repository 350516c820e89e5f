@testable import Importers
@testable import Model

extension Corpus {
  /// Pieces that make a header untrue without making it unreadable.
  private static let pieces = [
    "0", "-1", "1e9", "9223372036854775807", "18446744073709551616", "[", "]", "{", "}", "\"",
    "null", ",", "F64", "U8", "\\u0000", "\\ud800", "é", "\u{0}", "data_offsets", ":",
  ]

  static func safetensors() throws -> [Entry] {
    var entries: [Entry] = []
    for path in ["eva02/model", "onnx/models/clip/model"] {
      let original = try origin(path + ".safetensors")
      let length = original.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      let (header, data) = (Array(original[8..<8 + length]), Array(original[(8 + length)...]))
      func add(_ kind: String, _ count: Int, _ make: @escaping (inout Seeded) -> [UInt8]) {
        entries += Entry.series("safetensors \(path) \(kind)", count, make)
      }
      add("truncation", 80) { original.truncated(&$0) }
      add("bit flips", 120) { original.flipped(&$0) }
      add("splices", 40) { original.spliced(&$0) }
      add("length lies", 60) { random in
        let lie = Int.random(in: 0..<extremes.count + 8, using: &random)
        let stated =
          lie < extremes.count ? extremes[lie] : UInt64(length + lie - extremes.count - 4)
        return littleEndian(stated) + header + data
      }
      add("header", 200) { random in
        let changed = header.mutated(with: pieces, &random)
        return littleEndian(UInt64(changed.count)) + changed + data
      }
      add("absurd dimensions", 150) { random in
        let changed = header.withExtremeNumber(&random)
        return littleEndian(UInt64(changed.count)) + changed + data
      }
      add("deep recursion", 10) { random in
        let depth = Int.random(in: 60...100_000, using: &random)
        let open = [UInt8](repeating: UInt8(ascii: "["), count: depth)
        let changed = Array(#"{"a":"#.utf8) + open + header
        return littleEndian(UInt64(changed.count)) + changed + data
      }
    }
    return entries + (try shards())
  }

  /// An index whose shards lead elsewhere or do not fit.
  private static func shards() throws -> [Entry] {
    let shard = try origin("onnx/models/clip/model.safetensors")
    let names = try SafetensorsFile(bytes: ByteView(shard), path: "").tensors.map(\.name)
    let targets = [
      "a.safetensors", "../a.safetensors", "/etc/passwd", "..", ".", "", "a.safetensors/",
      "model.safetensors.index.json", "x\u{0}", "none",
    ]
    let members = names.map { "\"\($0)\":\"a.safetensors\"" }.joined(separator: ",")
    let index = Array("{\"weight_map\":{\(members)}}".utf8)
    return (0..<100).map { number in
      Entry.random(
        "safetensors index path traversal \(number)", "model.safetensors.index.json"
      ) { random in
        var text = index
        if number % 2 == 0 {
          let target = targets[number / 2 % targets.count]
          let name = names[number % names.count]
          text = Array("{\"weight_map\":{\"\(name)\":\"\(target)\"}}".utf8)
        } else {
          text = index.mutated(with: pieces + targets, &random)
        }
        return ["model.safetensors.index.json": text, "a.safetensors": shard]
      }
    }
  }
}

extension [UInt8] {
  /// A text in which one number is another, from the edges of arithmetic.
  func withExtremeNumber(_ random: inout Seeded) -> [UInt8] {
    let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) }
    let starts = indices.filter { isDigit(self[$0]) && ($0 == 0 || !isDigit(self[$0 - 1])) }
    guard let start = starts.randomElement(using: &random),
      let value = Corpus.extremes.randomElement(using: &random)
    else { return self }
    let end = self[start...].firstIndex { !isDigit($0) } ?? count
    let text = Bool.random(using: &random) ? "\(value)" : "\(Int64(bitPattern: value))"
    return self[..<start] + Array(text.utf8) + self[end...]
  }
}
