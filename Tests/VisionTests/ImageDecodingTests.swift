import Foundation
import Testing

@testable import Model
@testable import Vision

@Suite struct ImageDecodingTests {
  /// PNG must be equal. JPEG comes from another version of the same library, whose transforms may
  /// round differently by one level each in luma and chroma: two levels are allowed.
  @Test func picturesAreAsPillowDecodesThem() throws {
    for (name, record) in try Goldens.images().images.sorted(by: { $0.key < $1.key }) {
      let image = try Image(path: Goldens.image(name))
      let tolerance = name.hasSuffix(".png") ? 0 : 2
      #expect(image.width == record.width && image.height == record.height, "\(name)")
      var sums = [0.0, 0.0, 0.0]
      for index in image.pixels.indices { sums[index % 3] += Double(image.pixels[index]) }
      for channel in 0..<3 {
        let mean = sums[channel] / Double(image.width * image.height)
        #expect(abs(mean - record.means[channel]) <= Double(tolerance) * 0.25 + 1e-3, "\(name)")
      }
      for sample in record.samples {
        let colour = image[sample[0], sample[1]]
        let found = [Int(colour.red), Int(colour.green), Int(colour.blue)]
        for channel in 0..<3 {
          #expect(abs(found[channel] - sample[channel + 2]) <= tolerance, "\(name) \(sample)")
        }
      }
    }
  }

  @Test func allOrientationsAreThere() throws {
    for value in UInt16(1)...8 {
      let bytes = try Goldens.bytes(Goldens.image("orientation\(value).jpg"))
      #expect(bytes.withUnsafeBytes { EXIFOrientation(ofJPEG: $0) }.rawValue == value)
    }
  }

  @Test func incompleteFilesAreErrors() {
    #expect(
      message { try Image(path: Goldens.image("truncated.jpg")) }?.hasSuffix(
        "truncated.jpg: is a damaged or incomplete JPEG file: Premature end of JPEG file") == true)
    #expect(
      message { try Image(path: Goldens.image("truncated.png")) }?.hasSuffix(
        "truncated.png: is a damaged or incomplete PNG file: Premature end of PNG file") == true)
  }

  @Test func otherFormatsAreNamed() {
    let files: [(String, [UInt8], String)] = [
      ("GIF", Array("GIF89a".utf8), "GIF"),
      ("WebP", Array("RIFF....WEBPVP8 ".utf8), "WebP"),
      ("HEIC", Array("....ftypheic".utf8), "HEIC or AVIF"),
      ("BMP", Array("BM......".utf8), "BMP"),
      ("TIFF", [0x49, 0x49, 0x2a, 0, 8, 0], "TIFF"),
    ]
    for (name, bytes, format) in files {
      #expect(
        message { try Image(file: ByteView(bytes)) }
          == "is a \(format) picture, expected JPEG or PNG; convert it to JPEG or PNG first",
        "\(name)")
    }
    #expect(
      message { try Image(file: ByteView(Array("hello".utf8))) }
        == "is not a picture, expected JPEG or PNG")
    #expect(message { try Image(file: ByteView([])) } == "is empty, expected JPEG or PNG")
  }

  @Test func hugePicturesAreRefusedBeforeMemoryIsTaken() throws {
    var bytes = try Goldens.bytes(Goldens.image("plain.jpg"))
    let frame = try #require(
      bytes.indices.first { bytes[$0] == 0xff && bytes[$0 + 1] == 0xc0 })
    for index in 0..<4 { bytes[frame + 5 + index] = 0xfd }
    #expect(
      message { try Image(file: ByteView(bytes)) }
        == "has 65021 x 65021 pixels, 4227730441 in all, expected 1 to 268435456; make it smaller, "
        + "or allow more with --max-pixels")
    #expect(
      message { try Image(file: ByteView(hugePNG)) }
        == "has 60000 x 60000 pixels, 3600000000 in all, expected 1 to 268435456; make it smaller, "
        + "or allow more with --max-pixels")
  }

  /// A header of 60,000 pixels in either direction, and the beginning of what it promises.
  private let hugePNG: [UInt8] =
    [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
    + [0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52, 0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60, 8, 2, 0, 0, 0]
    + [0x0f, 0xb0, 0xe2, 0x15, 0, 0, 0, 0, 0x49, 0x44, 0x41, 0x54, 0x35, 0xaf, 0x06, 0x1e]

  @Test func limitsAreTheCallers() throws {
    let path = Goldens.image("rgb.png")
    let count = try Image(path: path).pixels.count / 3
    #expect(try Image(path: path, limit: count).pixels.count == 3 * count)
    #expect(
      message { try Image(path: path, limit: count - 1) }?.hasSuffix(
        "pixels, \(count) in all, expected 1 to \(count - 1); make it smaller, or allow more with "
          + "--max-pixels") == true)
    // A larger limit lets it pass on to the decoder, which finds nothing.
    #expect(
      message { try Image(file: ByteView(hugePNG.dropLast(16) + []), limit: 1 << 40) }?
        .contains("damaged") == true)
  }

  @Test func writtenPicturesReadBack() throws {
    let image = try Image(path: Goldens.image("rgb.png"))
    #expect(try Image(file: ByteView(image.png())) == image)
    let indices = (0..<35).map { UInt8($0 % 3) }
    let palette = [Colour(1, 2, 3), Colour(250, 4, 9), Colour(0, 255, 0)]
    let indexed = try #require(
      IndexedImage(width: 7, height: 5, indices: indices, palette: palette))
    let read = try Image(file: ByteView(indexed.png()))
    #expect(
      read.pixels
        == indices.flatMap {
          [palette[Int($0)].red, palette[Int($0)].green, palette[Int($0)].blue]
        })
    #expect(IndexedImage(width: 7, height: 5, indices: indices, palette: []) == nil)
    #expect(IndexedImage(width: 7, height: 4, indices: indices, palette: palette) == nil)
  }

  @Test func damagedFilesNeverCrash() throws {
    let seed: UInt64 = 11
    var generator = SeededGenerator(seed: seed)
    let names = try Goldens.images().images.keys.sorted()
    var failures = 0
    for _ in 0..<4000 {
      let name = names[Int.random(in: 0..<names.count, using: &generator)]
      var bytes = try Goldens.bytes(Goldens.image(name))
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let at = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 2: bytes.removeLast(Int.random(in: 0..<(bytes.count / 2), using: &generator))
        default: bytes[min(at, 200)] = [0, 0xff, 0x7f, 0x80].randomElement(using: &generator) ?? 0
        }
      }
      do {
        let image = try Image(file: ByteView(bytes))
        #expect(image.pixels.count == 3 * image.width * image.height, "seed \(seed)")
      } catch {
        failures += 1
        #expect(error.kind == .badData && !error.problem.isEmpty, "seed \(seed)")
      }
    }
    #expect(failures > 1000)
  }
}
