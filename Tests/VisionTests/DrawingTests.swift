import Testing

@testable import Model
@testable import Vision

@Suite struct DrawingTests {
  @Test func everyCharacterLeavesInk() {
    for code in UInt8(0x21)...0x7e {
      var image = Image(width: 40, height: 40, filledWith: Colour(0, 0, 0))
      let text = String(Character(Unicode.Scalar(code)))
      image.draw(text, left: 10, baseline: 25, size: 14, colour: Colour(255, 255, 255))
      #expect(image.pixels.contains { $0 > 200 }, "\(text)")
      #expect(Image.width(of: text, size: 14) > 0, "\(text)")
    }
  }

  @Test func glyphsDiffer() {
    var drawn: [[UInt8]: Character] = [:]
    for code in UInt8(0x21)...0x7e {
      var image = Image(width: 30, height: 30, filledWith: Colour(0, 0, 0))
      let character = Character(Unicode.Scalar(code))
      image.draw(String(character), left: 5, baseline: 20, size: 14, colour: Colour(255, 255, 255))
      #expect(drawn[image.pixels] == nil, "\(character)")
      drawn[image.pixels] = character
    }
  }

  @Test func accentsFallBackToLetters() {
    #expect(Image.width(of: "café Ø", size: 12) == Image.width(of: "cafe O", size: 12))
    #expect(Image.width(of: "日", size: 12) > 0)
    #expect(Image.width(of: "", size: 12) == 0)
  }

  @Test func textOutsideIsCutOff() {
    var image = Image(width: 20, height: 10, filledWith: Colour(0, 0, 0))
    for (left, baseline) in [(-100, 5), (15, 8), (3, -20), (3, 300), (500, 5)] {
      image.draw("Wide text", left: left, baseline: baseline, size: 20, colour: Colour(9, 9, 9))
    }
    image.fill(left: -5, top: -5, width: 3, height: 3, Colour(1, 1, 1))
    image.fill(left: 19, top: 9, width: 30, height: 30, Colour(1, 1, 1))
    #expect(image[19, 9] == Colour(1, 1, 1))
  }

  @Test func coloursAreDistinct() {
    let colours = Palette.colours(64)
    for first in colours.indices {
      for second in 0..<first {
        let (a, b) = (colours[first], colours[second])
        let distance =
          abs(Int(a.red) - Int(b.red)) + abs(Int(a.green) - Int(b.green))
          + abs(Int(a.blue) - Int(b.blue))
        #expect(distance >= 18, "\(first) \(second)")
      }
    }
    #expect(Palette.colours(5) == Array(Palette.colours(50).prefix(5)))
  }

  @Test func legendStandsBesideOrBelow() throws {
    let (width, height) = (300, 200)
    let labels = (0..<(width * height)).map { UInt16($0 % width / 100) }
    let map = try #require(
      SegmentationMap(width: width, height: height, labels: labels, classes: 5))
    let picture = Image(width: width, height: height, filledWith: Colour(90, 90, 90))
    let beside = map.drawing(on: picture, names: ["a", "b", "c", "d", "e"])
    #expect(beside.height == height && beside.width > width)
    #expect(map.classesByArea == [0, 1, 2])

    let many = try #require(
      SegmentationMap(
        width: width, height: height, labels: labels.indices.map { UInt16($0 % 60) }, classes: 60))
    let below = many.drawing(on: picture, names: [])
    #expect(below.height > height && below.width >= width)
  }

  @Test func overlayBlendsAndParts() throws {
    let map = try #require(
      SegmentationMap(width: 4, height: 1, labels: [0, 0, 1, .max], classes: 2))
    let picture = Image(width: 4, height: 1, filledWith: Colour(0, 0, 0))
    let image = map.overlay(on: picture, opacity: 0.5)
    #expect(image[0, 0] == Colour(0, 0, 0).mixed(with: Palette.colour(0), share: 0.5))
    #expect(image[1, 0].red > 150)
    #expect(image[3, 0] == Colour(0, 0, 0).mixed(with: Palette.unlabelled, share: 0.5))
    let indexed = try #require(map.indexedImage())
    #expect(indexed.indices == [0, 0, 1, 255])
  }

  @Test func sharesReadWell() {
    #expect(Legend.percent(0.1234) == "12.3 %")
    #expect(Legend.percent(0.0001) == "<0.1 %")
    #expect(Legend.percent(0) == "0.0 %")
    #expect(Legend.percent(1) == "100.0 %")
  }
}
