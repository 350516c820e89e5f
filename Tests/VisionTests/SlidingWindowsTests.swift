import Testing

@testable import Vision

@Suite struct SlidingWindowsTests {
  @Test func windowsCoverTheGridAndEndWithIt() throws {
    // 640 x 480 with the shorter side at 336: 448 x 336 pixels, 28 x 21 patches.
    let windows = try SlidingWindows(
      pictureWidth: 640, pictureHeight: 480, size: 336, stride: 112, longerSide: nil,
      patchSize: 16)
    #expect(windows.geometry.contentWidth == 448 && windows.geometry.contentHeight == 336)
    #expect(windows.rowOrigins == [0] && windows.columnOrigins == [0, 7])
    // 500 x 333 to 784 x 522: 49 x 33 patches, the last of them 10 pixels.
    let larger = try SlidingWindows(
      pictureWidth: 500, pictureHeight: 333, size: 336, stride: 112, longerSide: 784,
      patchSize: 16)
    #expect(larger.geometry.gridColumns == 49 && larger.geometry.gridRows == 33)
    #expect(larger.columnOrigins == [0, 7, 14, 21, 28] && larger.rowOrigins == [0, 7, 12])
    #expect(larger.count == 15 && larger.windowCells == 21)
  }

  @Test func smallPicturesGetOneWindow() throws {
    let windows = try SlidingWindows(
      pictureWidth: 64, pictureHeight: 32, size: 64, stride: 32, longerSide: 32, patchSize: 16)
    #expect(windows.rowOrigins == [0] && windows.columnOrigins == [0])
    var average = WindowAverage(windows, width: 1)
    average.add((1...16).map { $0 == 5 ? -3 : Float($0) }, row: 0, column: 0)
    // Two patches of the window's first row show the picture, in one row.
    #expect(average.features == [1, 1])
  }

  @Test func overlapsAreMeansOfUnitVectors() throws {
    // Three patches in a row, windows of two.
    let windows = try SlidingWindows(
      pictureWidth: 3, pictureHeight: 2, size: 2, stride: 1, longerSide: nil, patchSize: 1)
    #expect(windows.columnOrigins == [0, 1])
    var average = WindowAverage(windows, width: 2)
    average.add([5, 0, 0, 2, 1, 0, 3, 4], row: 0, column: 0)
    average.add([7, 0, 0, 9, 3, 4, 0, 1], row: 0, column: 1)
    let expected: [Float] = [1, 0, 0.5, 0.5, 0, 1, 1, 0, 0.6, 0.8, 0, 1]
    #expect(zip(average.features, expected).allSatisfy { abs($0 - $1) < 1e-6 })
  }

  /// The mean of the windows' logits is the logit of the mean feature.
  @Test func averagedFeaturesGiveAveragedLogits() throws {
    let geometry = try InputGeometry(
      pictureWidth: 1, pictureHeight: 1, size: 1, patchSize: 1, fit: .square)
    func logits(_ feature: [Float], normalizing: Bool) -> [Float] {
      let logits = ClassLogits(
        features: feature, embeddings: [1, 0, 0, 1], size: 2, scale: 10, geometry: geometry,
        normalizing: normalizing, threads: 1)
      return [logits.values[0][0], logits.values[0][1]]
    }
    let (a, b) = (logits([3, 4], normalizing: true), logits([8, 6], normalizing: true))
    let mean = logits([(0.6 + 0.8) / 2, (0.8 + 0.6) / 2], normalizing: false)
    #expect(zip(mean, zip(a, b)).allSatisfy { abs($0 - ($1.0 + $1.1) / 2) < 1e-5 })
  }

  @Test func whatDoesNotSuitIsRefused() {
    func refusal(
      _ width: Int, _ height: Int, size: Int, stride: Int, longerSide: Int? = nil
    ) -> String? {
      message {
        try SlidingWindows(
          pictureWidth: width, pictureHeight: height, size: size, stride: stride,
          longerSide: longerSide, patchSize: 16)
      }
    }
    #expect(
      refusal(640, 480, size: 330, stride: 112)
        == "the input size 330 does not suit the model, expected a multiple of its patch size 16, "
        + "at most 16384; use 336")
    #expect(refusal(640, 480, size: 330, stride: 112, longerSide: 640) != nil)
    for stride in [0, -16, 100, 352] {
      #expect(
        refusal(640, 480, size: 336, stride: stride)
          == "the stride \(stride) does not suit the windows, expected a multiple of the patch "
          + "size 16, at most the window's 336")
    }
    #expect(
      refusal(20_000, 3, size: 336, stride: 112)
        == "a picture of 20000 x 3 is too long for windows of 336, expected at most 16384 pixels "
        + "along the longer side; give the longer side with --size")
  }
}
