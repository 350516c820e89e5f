import Foundation
import Testing

@testable import Model
@testable import Vision

@Suite struct SegmentationTests {
  private func geometry() throws -> InputGeometry {
    // The picture fills 32 x 23 of an input of 32 x 24 in patches of 4.
    try InputGeometry(pictureWidth: 61, pictureHeight: 43, width: 32, height: 24, patchSize: 4)
  }

  /// Labels may differ where two classes are equally probable within rounding.
  @Test func labelsAreThoseOfPyTorch() throws {
    let golden = try Goldens.images().segmentation
    let geometry = try geometry()
    for threads in [1, 4] {
      let map = try SegmentationMap(
        features: golden.features, embeddings: golden.embeddings, embeddingSize: 12,
        geometry: geometry, options: .init(logitScale: 10), threads: threads)
      let different = zip(map.labels, golden.labels).count { $0 != $1 }
      #expect(different <= 2)
      #expect(map.width == 61 && map.height == 43)
      #expect(map.areas.reduce(0) { $0 + $1.pixels } == 61 * 43)
      for (area, confidence) in zip(map.areas, golden.confidences) {
        #expect(abs(area.meanConfidence - confidence) < 1e-3)
      }
    }
  }

  @Test func threadsDoNotShow() throws {
    let golden = try Goldens.images().segmentation
    let maps = try [1, 2, 5].map { threads in
      try SegmentationMap(
        features: golden.features, embeddings: golden.embeddings, embeddingSize: 12,
        geometry: geometry(), options: .init(logitScale: 40, threshold: 0.5), threads: threads)
    }
    #expect(maps.allSatisfy { $0.labels == maps[0].labels && $0.areas == maps[0].areas })
  }

  @Test func improbablePixelsBecomeBackground() throws {
    let golden = try Goldens.images().segmentation
    func map(_ threshold: Float, _ background: Int?) throws -> SegmentationMap {
      try SegmentationMap(
        features: golden.features, embeddings: golden.embeddings, embeddingSize: 12,
        geometry: geometry(),
        options: .init(logitScale: 10, threshold: threshold, background: background))
    }
    let plain = try map(0, nil)
    let unlabelled = try map(0.6, nil)
    let background = try map(0.6, 2)
    #expect(unlabelled.labels.contains(SegmentationMap.unlabelled))
    for index in plain.labels.indices {
      if unlabelled.labels[index] == SegmentationMap.unlabelled {
        #expect(background.labels[index] == 2)
      } else {
        #expect(unlabelled.labels[index] == plain.labels[index])
        #expect(background.labels[index] == plain.labels[index])
      }
    }
    #expect(try map(1, 0).labels.count { $0 == 0 } > plain.areas[0].pixels)
  }

  @Test func manyClassesAndOne() throws {
    let geometry = try geometry()
    let features = (0..<(48 * 3)).map { Float($0 % 7) - 3 }
    let one = try SegmentationMap(
      features: features, embeddings: [1, 0, 0], embeddingSize: 3, geometry: geometry)
    #expect(one.labels.allSatisfy { $0 == 0 } && one.areas[0].meanConfidence > 0.999)
    let equal = try SegmentationMap(
      features: features, embeddings: (0..<30).map { $0 % 3 == 0 ? 1 : 0 }, embeddingSize: 3,
      geometry: geometry)
    #expect(equal.labels.allSatisfy { $0 == 0 })
    #expect(abs(equal.areas[0].meanConfidence - 0.1) < 1e-4)
  }

  @Test func featuresThatAreNoNumbersHaveNoClass() throws {
    let map = try SegmentationMap(
      features: [Float](repeating: .nan, count: 48 * 3), embeddings: [1, 0, 0, 0, 1, 0],
      embeddingSize: 3, geometry: geometry())
    #expect(map.labels.allSatisfy { $0 == SegmentationMap.unlabelled })
  }

  @Test func optionsOutOfRangeAreUsage() throws {
    let geometry = try geometry()
    func error(_ options: SegmentationMap.Options) -> String? {
      message {
        try SegmentationMap(
          features: [Float](repeating: 1, count: 48), embeddings: [1, 1], embeddingSize: 1,
          geometry: geometry, options: options)
      }
    }
    #expect(error(.init(threshold: 2)) == "the threshold is 2.0, expected 0 to 1")
    #expect(
      error(.init(background: 2))
        == "the background class is number 2, expected one of the 2 classes")
    #expect(error(.init(logitScale: .nan)) == "the logit scale is nan, expected a number above 0")
  }

  @Test func exponentialIsExact() {
    var x: Float = -86.9
    while x <= 0 {
      let found = exponential(SIMD8(repeating: x))[3]
      let expected = Float(Foundation.exp(Double(x)))
      #expect(abs(found - expected) <= 4e-7 * expected, "\(x)")
      x += 0.0137
    }
    #expect(exponential(SIMD8(repeating: 0))[0] == 1)
    #expect(exponential(SIMD8(repeating: -1e30))[0] < 1e-37)
  }
}
