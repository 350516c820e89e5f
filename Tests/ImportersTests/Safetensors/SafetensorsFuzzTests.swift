import Testing

@testable import Importers
@testable import Model

@Suite struct SafetensorsFuzzTests {
  private static let original = safetensors(
    [
      .float32("visual.proj", [3, 2]), .float32("b.weight", [1, 1, 4]), .float32("scale", []),
    ], metadata: #"{"format":"pt","é":"\u00e9\ud83d\ude00"}"#)

  /// Pieces that make a header untrue without making it unreadable.
  private static let pieces = [
    "0", "-1", "1e9", "9223372036854775807", "18446744073709551616", "[", "]", "{", "}", "\"",
    "null", ",", "F64", "U8", "\\u0000", "\\ud800", "é", "\u{0}", "data_offsets", ":",
  ]

  private func mutated(_ random: inout Seeded) -> [UInt8] {
    var bytes = Self.original.mutated(with: Self.pieces, &random)
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
    var random = Seeded(seed)
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
