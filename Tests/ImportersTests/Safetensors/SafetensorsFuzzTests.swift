import Testing

@testable import Importers
@testable import Model

@Suite struct SafetensorsFuzzTests {
  /// A linear congruential generator (Knuth's MMIX constants), so that failures can be repeated.
  private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ state >> 33
    }
  }

  private static let original = safetensors(
    [
      .float32("visual.proj", [3, 2]), .float32("b.weight", [1, 1, 4]), .float32("scale", []),
    ], metadata: #"{"format":"pt","é":"\u00e9\ud83d\ude00"}"#)

  /// Pieces that make a header untrue without making it unreadable.
  private static let pieces = [
    "0", "-1", "1e9", "9223372036854775807", "18446744073709551616", "[", "]", "{", "}", "\"",
    "null", ",", "F64", "U8", "\\u0000", "\\ud800", "é", "\u{0}", "data_offsets", ":",
  ].map { Array($0.utf8) }

  private func mutated(_ random: inout Seeded) -> [UInt8] {
    var bytes = Self.original
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let place = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<5, using: &random) {
      case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + place % 5))
      case 3: bytes.insert(contentsOf: Self.pieces.randomElement(using: &random) ?? [], at: place)
      default:
        // A digit becomes another, which keeps the JSON valid and makes it untrue.
        if (0x30...0x39).contains(bytes[place]) {
          bytes[place] = UInt8.random(in: 0x30...0x39, using: &random)
        }
      }
      if bytes.isEmpty { return bytes }
    }
    // Mostly keep the length true, so that the header is looked into at all.
    if bytes.count >= 8, Bool.random(using: &random),
      let end = bytes.lastIndex(of: UInt8(ascii: "}"))
    {
      bytes.replaceSubrange(0..<8, with: littleEndian(UInt64(max(0, end - 7))))
    }
    return bytes
  }

  @Test(arguments: [1, 2, 3, 4])
  func mutatedFilesAreReadOrRefused(seed: UInt64) {
    var random = Seeded(state: seed)
    var refused = 0
    for round in 0..<3000 {
      let bytes = mutated(&random)
      do {
        let file = try SafetensorsFile(bytes: ByteView(bytes), path: "fuzz")
        for tensor in file.tensors {
          // Touches every byte that the header claims.
          #expect(
            tensor.bytes.array.count == tensor.bytes.count, "seed \(seed), round \(round)")
        }
      } catch {
        refused += 1
        #expect(error.kind == .badData, "seed \(seed), round \(round): \(error)")
      }
    }
    #expect(refused > 1000)
  }

  @Test func everyTruncationIsRefused() {
    for count in 0..<Self.original.count {
      #expect(throws: DeclipError.self, "\(count) bytes") {
        try SafetensorsFile(bytes: ByteView(Array(Self.original.prefix(count))), path: "a")
      }
    }
  }
}
