import Foundation

/// Damaged and hostile files of every format that is read, the same in every run.
///
/// Each has a name that says how it was made: format, origin, kind of damage, number.
struct Corpus {
  /// One model to be read: a file, and what lies beside it.
  struct Entry {
    let name: String
    /// The file to be read.
    let main: String
    /// All files by their names.
    let files: () -> [String: [UInt8]]

    init(_ name: String, _ main: String, _ files: @escaping () -> [String: [UInt8]]) {
      self.name = name
      self.main = main
      self.files = files
    }

    /// One file alone.
    init(_ name: String, _ bytes: @escaping () -> [UInt8]) {
      self.init(name, "model") { ["model": bytes()] }
    }

    /// Files that are made at random, with the name as the seed.
    static func random(
      _ name: String, _ main: String = "model",
      _ files: @escaping (inout Seeded) -> [String: [UInt8]]
    ) -> Entry {
      Entry(name, main) {
        // FNV-1a.
        var random = Seeded(
          name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 })
        return files(&random)
      }
    }

    /// `count` files of one kind of damage.
    static func series(
      _ name: String, _ count: Int, _ bytes: @escaping (inout Seeded) -> [UInt8]
    ) -> [Entry] {
      (0..<count).map { number in
        random("\(name) \(number)") { random in ["model": bytes(&random)] }
      }
    }
  }

  let entries: [Entry]

  /// Reads the valid files that all others are made from.
  init() throws {
    entries = try Self.safetensors() + Self.torch() + Self.onnx() + Self.tokenizers() + Self.bombs()
  }

  /// The content of a golden file.
  static func origin(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: golden(path))))
  }

  /// Numbers at the edges of fields and of arithmetic.
  static let extremes: [UInt64] =
    [
      0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0xFFFE, 0xFFFF, 1 << 20, 1 << 24, 0x7FFF_FFFF,
      0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF, 1 << 40, 1 << 62, 0x7FFF_FFFF_FFFF_FFFF,
      0x8000_0000_0000_0000, .max, .max - 1,
    ]
}

extension [UInt8] {
  /// The bytes up to some place, or with a piece missing.
  func truncated(_ random: inout Seeded) -> [UInt8] {
    // Half of the cuts fall into the first thousand bytes, where headers are.
    let place = Int.random(
      in: 0..<(Bool.random(using: &random) ? Swift.min(count, 1000) : count), using: &random)
    if Bool.random(using: &random) { return Array(prefix(place)) }
    let length = Int.random(in: 1...64, using: &random)
    return Array(prefix(place)) + dropFirst(place + length)
  }

  /// The bytes with one to eight bits flipped, or a run of them set; half of the places lie among
  /// printable characters, which is where structure is.
  func flipped(_ random: inout Seeded) -> [UInt8] {
    var bytes = self
    guard !isEmpty else { return bytes }
    for _ in 0..<Int.random(in: 1...8, using: &random) {
      var place = Int.random(in: indices, using: &random)
      if Bool.random(using: &random) {
        place = bytes[place...].firstIndex { (0x20..<0x7f).contains($0) } ?? place
      }
      if Int.random(in: 0..<8, using: &random) == 0 {
        for offset in place..<Swift.min(count, place + 16) { bytes[offset] = 0xFF }
      } else {
        bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      }
    }
    return bytes
  }

  /// The bytes with a run of them copied elsewhere.
  func spliced(_ random: inout Seeded) -> [UInt8] {
    var bytes = self
    let length = Swift.min(count / 2, Int.random(in: 1...256, using: &random))
    guard length > 0 else { return bytes }
    let (from, to) = (
      Int.random(in: 0...count - length, using: &random),
      Int.random(in: 0...count - length, using: &random)
    )
    bytes.replaceSubrange(to..<to + length, with: self[from..<from + length])
    return bytes
  }
}
