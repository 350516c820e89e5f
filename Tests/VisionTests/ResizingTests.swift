import Testing

@testable import Model
@testable import Vision

@Suite struct ResizingTests {
  @Test func bicubicIsPillowsToTheBit() throws {
    let source = try Image(path: Goldens.image("rgb.png"))
    for resize in try Goldens.images().resizes {
      for threads in [1, 3] {
        let image = source.resized(width: resize.width, height: resize.height, threads: threads)
        #expect(crc32(image.pixels) == resize.crc, "\(resize.width) x \(resize.height)")
      }
    }
  }

  @Test func flatPicturesStayFlat() {
    for level in [UInt8(0), 1, 127, 254, 255] {
      let image = Image(width: 9, height: 31, filledWith: Colour(level, level, level))
      for (width, height) in [(1, 1), (4, 50), (100, 7)] {
        #expect(image.resized(width: width, height: height).pixels.allSatisfy { $0 == level })
      }
    }
  }

  private func crc32(_ bytes: [UInt8]) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xedb8_8320 : 0) }
    }
    return ~crc
  }
}
