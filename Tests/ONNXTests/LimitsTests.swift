import Testing

@testable import ONNX

/// What graphs may compute beside their size.
@Suite struct WorkLimitTests {
  @Test func allowancesGrowWithTheFile() {
    // The base, and 512 steps a byte.
    #expect(WorkLimit(fileSize: 0).spend(1 << 29))
    #expect(!WorkLimit(fileSize: 0).spend(1 << 29 + 1))
    #expect(!WorkLimit(fileSize: 1000).spend(1 << 29 + 1000 * 513))
    // A ViT-B/16 in float16 at 560 px: 12 blocks of 12 heads and 1226 tokens.
    #expect(WorkLimit(fileSize: 172 << 20).spend(525 * 12 * 12 * 1226 * 1226))
    // As many scores as memory admits, for 12 and 40 blocks.
    for (size, blocks) in [(22 << 20, 12), (90 << 20, 12), (1200 << 20, 40)] {
      #expect(WorkLimit(fileSize: size).spend(525 * blocks, each: size / 4 + 6 << 20))
    }
    #expect(!WorkLimit(fileSize: 1 << 30).spend(1 << 44))
    #expect(!WorkLimit(fileSize: .max).spend(.max))
  }
}
