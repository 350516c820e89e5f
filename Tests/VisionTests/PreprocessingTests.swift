import Testing

@testable import Model
@testable import Vision

@Suite struct PreprocessingTests {
  @Test func squareFitPadsTheShorterSide() throws {
    let geometry = try InputGeometry(
      pictureWidth: 640, pictureHeight: 427, size: 336, patchSize: 14, fit: .square)
    #expect(geometry.width == 336 && geometry.height == 336)
    #expect(geometry.contentWidth == 336 && geometry.contentHeight == 224)
    #expect(geometry.gridRows == 24 && geometry.contentRows == 16)
  }

  @Test func aspectFitPadsToAPatchOnly() throws {
    let geometry = try InputGeometry(
      pictureWidth: 333, pictureHeight: 500, size: 560, patchSize: 16, fit: .aspect)
    #expect(geometry.height == 560 && geometry.contentHeight == 560)
    #expect(geometry.contentWidth == 373 && geometry.width == 384)
    #expect(geometry.gridColumns == 24 && geometry.contentColumns == 24)
  }

  @Test func thinPicturesKeepAPixel() throws {
    let geometry = try InputGeometry(
      pictureWidth: 5000, pictureHeight: 1, size: 64, patchSize: 16, fit: .aspect)
    #expect(geometry.contentHeight == 1 && geometry.height == 16)
  }

  @Test func otherInputsAreFitted() throws {
    let geometry = try InputGeometry(
      pictureWidth: 100, pictureHeight: 50, width: 224, height: 160, patchSize: 16)
    #expect(geometry.contentWidth == 224 && geometry.contentHeight == 112)
    #expect(geometry.scaleX == 2.24 && geometry.scaleY == 2.24)
  }

  @Test func unsuitableSizesAreUsage() {
    #expect(
      message {
        try InputGeometry(
          pictureWidth: 10, pictureHeight: 10, size: 330, patchSize: 16, fit: .square)
      }
        == "the input size 330 does not suit the model, expected a multiple of its patch size 16, "
        + "at most 16384; use 336")
  }

  @Test func paddingIsBlackBeforeNormalising() throws {
    let image = Image(width: 4, height: 2, filledWith: Colour(255, 128, 0))
    let geometry = try InputGeometry(
      pictureWidth: 4, pictureHeight: 2, size: 8, patchSize: 4, fit: .square)
    let input = Preprocessing.clip.dense(image, geometry)
    let clip = Preprocessing.clip
    for channel in 0..<3 {
      let level: Float = [255, 128, 0][channel]
      let shown = (level / 255 - clip.mean[channel]) / clip.deviation[channel]
      let black = -clip.mean[channel] / clip.deviation[channel]
      for y in 0..<8 {
        for x in 0..<8 {
          #expect(input.values[(channel * 8 + y) * 8 + x] == (y < 4 ? shown : black))
        }
      }
    }
  }

  @Test func classificationCropsTheCentre() throws {
    // torchvision's margin for 9 columns and a crop of 4 is round(2.5) = 2, to the even number.
    var image = Image(width: 9, height: 4, filledWith: Colour(0, 0, 0))
    for y in 0..<4 { image[2, y] = Colour(255, 255, 255) }
    let plain = Preprocessing(mean: [0, 0, 0], deviation: [1, 1, 1])
    let input = plain.classification(image, size: 4)
    #expect(input.width == 4 && input.height == 4)
    #expect(input.values == (0..<48).map { $0 % 4 == 0 ? 1 : 0 })
  }
}
