import Foundation
import Testing

@testable import Vision

@Suite struct RegionTests {
  private struct Golden: Decodable {
    struct Region: Decodable {
      let box: [Float]
      let feature: [Float]
    }
    let rows: Int
    let columns: Int
    let width: Int
    let regions: [Region]

    var map: DenseMap? {
      DenseMap(
        rows: rows, columns: columns, width: width,
        values: (0..<rows * columns * width).map { Float(sin(0.37 * Double($0))) })
    }
  }

  /// Sums of up to a few dozen numbers of at most 1 in single precision on both sides.
  @Test func roiAlignIsTorchvisions() throws {
    let path = Goldens.folder + "/regions/regions.json"
    let golden = try JSONDecoder().decode(
      Golden.self, from: Data(contentsOf: URL(filePath: path)))
    let map = try #require(golden.map)
    #expect(golden.regions.count == 33)
    for region in golden.regions {
      let box = Box(
        left: region.box[0], top: region.box[1], right: region.box[2], bottom: region.box[3])
      let difference = zip(map.aligned(box), region.feature).map { abs($0 - $1) }.max() ?? 1
      #expect(difference < 2e-6, "\(region.box)")
    }
  }

  /// Boxes that no file should hold neither trap nor take long.
  @Test func extremeBoxesGiveZeros() throws {
    let map = try #require(DenseMap(rows: 2, columns: 3, width: 1, values: [1, 1, 1, 1, 1, 1]))
    for edge in [Float.nan, .infinity, -.infinity, .greatestFiniteMagnitude, 1e30] {
      for box in [
        Box(left: 0, top: 0, right: edge, bottom: 2),
        Box(left: -edge, top: 0, right: edge, bottom: 2),
        Box(left: edge, top: edge, right: edge, bottom: edge),
      ] { #expect(map.aligned(box) == [0]) }
    }
    let large = map.aligned(Box(left: -1e6, top: -1e6, right: 1e6, bottom: 1e6))
    #expect(large[0] >= 0 && large[0] < 1e-9)
  }

  @Test func mapsOfOtherExtentsAreRefused() {
    #expect(DenseMap(rows: 2, columns: 2, width: 3, values: Array(repeating: 0, count: 11)) == nil)
    #expect(DenseMap(rows: 2, columns: 3, width: 3, values: Array(repeating: 0, count: 12)) == nil)
    #expect(DenseMap(rows: 0, columns: 2, width: 1, values: []) == nil)
    #expect(DenseMap(rows: .max, columns: 2, width: 1, values: [1, 2]) == nil)
  }

  @Test func normalizingGivesEveryPatchOneVote() throws {
    let map = try #require(
      DenseMap(rows: 1, columns: 3, width: 2, values: [300, 400, 0, 1, 0, 0], normalizing: true))
    let values = zip(map.values, [0.6, 0.8, 0, 1, 0, 0] as [Float])
    #expect(values.allSatisfy { abs($0 - $1) < 1e-6 })
    let pooled = map.pooled(over: [0, 1])
    #expect(abs(pooled[0] - 0.3) < 1e-6 && abs(pooled[1] - 0.9) < 1e-6)
    #expect(map.pooled(over: []) == [0, 0])
  }

  @Test func segmentsCoverTheCellsOfTheirPixels() throws {
    // 10 x 6 pixels on 5 x 3 cells of 4 input pixels: a cell shows 2 x 2 pixels.
    let geometry = try InputGeometry(
      pictureWidth: 10, pictureHeight: 6, size: 20, patchSize: 4, fit: .aspect)
    #expect(geometry.gridRows == 3 && geometry.gridColumns == 5)
    var segments = [UInt32](repeating: 9, count: 60)
    // One pixel, a thin column, and one segment that nobody asks for.
    segments[3 * 10 + 3] = 7
    for y in 0..<6 { segments[y * 10 + 9] = 70_000 }
    let cells = geometry.cells(of: [7, 70_000, 8], in: segments)
    #expect(cells == [7: [6], 70_000: [4, 9, 14]])
  }

  @Test func boxesScaleWithThePicture() throws {
    let geometry = try InputGeometry(
      pictureWidth: 640, pictureHeight: 480, size: 320, patchSize: 16, fit: .square)
    let box = geometry.gridBox(Box(left: 32, top: 64, right: 640, bottom: 480))
    #expect(box == Box(left: 1, top: 2, right: 20, bottom: 15))
    let enlarged = Box(left: 10, top: 10, right: 20, bottom: 30)
      .enlarged(by: 1.5, width: 22, height: 100)
    #expect(enlarged == Box(left: 7.5, top: 5, right: 22, bottom: 35))
  }

  @Test func cropsKeepAPixelAndStayInside() throws {
    let image = try #require(
      Image(width: 4, height: 3, pixels: (0..<36).map { UInt8($0) }))
    let part = image.cropped(to: Box(left: 1.2, top: 0.6, right: 2.6, bottom: 3))
    #expect(part.width == 2 && part.height == 2)
    #expect(part[0, 0] == image[1, 1] && part[1, 1] == image[2, 2])
    for box in [
      Box(left: 9, top: 9, right: 12, bottom: 12), Box(left: 2, top: 2, right: 1, bottom: 1),
      Box(left: .nan, top: .nan, right: .nan, bottom: .nan),
      Box(left: -5, top: -5, right: -1, bottom: -1),
    ] {
      let part = image.cropped(to: box)
      #expect(part.width == 1 && part.height == 1)
    }
    let all = image.cropped(to: Box(left: -.infinity, top: -3, right: .infinity, bottom: 8))
    #expect(all == image)
  }

  @Test func rankingBreaksTiesByOrder() {
    let ranking = ClassRanking(
      feature: [3, 4], embeddings: [1, 0, 0.6, 0.8, 0.6, 0.8, -1, 0])
    #expect(ranking.order == [1, 2, 0, 3])
    #expect((0..<4).map(ranking.place) == [2, 0, 1, 3])
    #expect(abs(ranking.cosines[0] - 0.6) < 1e-6)
    let broken = ClassRanking(feature: [.nan, 1], embeddings: [1, 0, 0, 1])
    #expect(broken.place(of: 0) == 1 && broken.place(of: 1) == 1)
    #expect(ClassRanking(feature: [0, 0], embeddings: [1, 0, 0, 1]).order == [0, 1])
  }
}
