import Foundation
import Testing

@testable import Vision

/// Label maps written by Pillow (`Tests/Goldens/regions/make_labels.py`).
@Suite struct LabelMapTests {
  private func path(_ name: String) -> String { "\(Goldens.folder)/regions/\(name)" }

  /// A number for each pixel of 13 x 7.
  private func numbers(_ number: (_ x: Int, _ y: Int) -> Int) -> [Int] {
    (0..<91).map { number($0 % 13, $0 / 13) }
  }

  @Test(arguments: [
    ("palette_2.png", 2, 1), ("palette_4.png", 4, 1), ("palette_16.png", 16, 1),
    ("palette_200.png", 200, 1), ("grey_60.png", 60, 1), ("grey16_60.png", 60, 1000),
  ])
  func labelsAreWhatIsStored(file: String, count: Int, factor: Int) throws {
    let map = try LabelMap(path: path(file))
    #expect(map.width == 13 && map.height == 7)
    let expected = numbers { x, y in factor * ((3 * x + 5 * y) % count) }
    #expect(map.labels.map(Int.init) == expected)
  }

  @Test func panopticNumbersAreBytesOfColours() throws {
    let mask = try PanopticMask(path: path("panoptic.png"))
    #expect(mask.width == 13 && mask.height == 7)
    let expected = numbers { x, y in 1000 * x + 70000 * y + 1 }
    #expect(mask.segments.map(Int.init) == expected)
  }

  @Test func whatWouldInventLabelsIsRefused() throws {
    let image = Goldens.image("plain.jpg")
    #expect(
      message { try LabelMap(path: image) }
        == "\(image): is a JPEG picture, expected a PNG label map")
    #expect(
      message { try PanopticMask(path: image) }
        == "\(image): is a JPEG picture, expected a PNG panoptic mask")
    let colours = path("panoptic.png")
    #expect(
      message { try LabelMap(path: colours) }
        == "\(colours): cannot be read as a label map: holds colours, expected an undamaged PNG "
        + "of palette indices or grey levels")
    let truncated = Goldens.image("truncated.png")
    #expect(message { try LabelMap(path: truncated) }?.hasPrefix(truncated) == true)
    #expect(message { try LabelMap(path: path("none.png")) }?.contains("cannot be opened") == true)
  }

  /// Every cut and many changed bytes of a map: an error or a map of the same extents.
  @Test func damageNeverTraps() throws {
    let bytes = try Goldens.bytes(path("palette_16.png"))
    let file = NSTemporaryDirectory() + "labels-\(UUID().uuidString).png"
    defer { unlink(file) }
    for index in bytes.indices {
      var damaged = bytes
      damaged[index] ^= 0x11
      for content in [Array(bytes[..<index]), damaged] {
        try Data(content).write(to: URL(filePath: file))
        let map = try? LabelMap(path: file)
        #expect(map.map { $0.labels.count == $0.width * $0.height } ?? true)
      }
    }
  }
}
