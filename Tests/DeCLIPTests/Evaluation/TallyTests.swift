import DeCLIP
import Foundation
import Testing
import Vision

@Suite struct TallyTests {
  private func map(_ labels: [UInt16]) throws -> SegmentationMap {
    try #require(SegmentationMap(width: labels.count, height: 1, labels: labels, classes: 4))
  }

  private func tally(
    _ found: [UInt16], _ expected: [UInt16], ignoring: Set<UInt16> = [255]
  ) throws -> SegmentationTally {
    var tally = SegmentationTally()
    tally.add(
      try map(found),
      truth: try #require(LabelMap(width: expected.count, height: 1, labels: expected)),
      classes: 4, ignoring: ignoring)
    return tally
  }

  @Test func intersectionsAndUnionsAreCountedByHand() throws {
    // Class 0: 2 true, 3 found, 1 both. Class 1: 3 true, 2 found, 2 both. Class 2: found only.
    let tally = try tally([0, 0, 1, 1, 0, 2, 3, .max], [0, 1, 1, 1, 255, 0, 255, 3])
    #expect(tally.presentClasses == [0, 1, 3])
    #expect(tally.intersectionOverUnion(of: 0) == 1.0 / 3)
    #expect(tally.intersectionOverUnion(of: 1) == 2.0 / 3)
    #expect(tally.intersectionOverUnion(of: 2) == nil)
    #expect(tally.intersectionOverUnion(of: 3) == 0)
    #expect(tally.meanIntersectionOverUnion(of: [0, 1, 2]) == 0.5)
    #expect(tally.meanIntersectionOverUnion(of: [2]) == nil)
    #expect(tally.pixelAccuracy == 0.5)
    #expect(SegmentationTally().pixelAccuracy == nil)
  }

  /// Over all pixels of all pictures, not picture by picture.
  @Test func picturesAddUp() throws {
    var sum = try tally([0, 0], [0, 1])
    sum.merge(try tally([1, 1, 1], [1, 1, 0]))
    #expect(sum == (try tally([0, 0, 1, 1, 1], [0, 1, 1, 1, 0])))
    let data = try JSONEncoder().encode(sum)
    #expect(try JSONDecoder().decode(SegmentationTally.self, from: data) == sum)
  }

  @Test(arguments: ["[[0,1,2]]", "[[0,1,2,-1]]", "[[0,1,2,2]]", "[[0,1,9007199254740993,1]]", "{}"])
  func countsThatCannotBeAreRefused(json: String) {
    let tally = try? JSONDecoder().decode(SegmentationTally.self, from: Data(json.utf8))
    #expect(tally == nil)
  }

  @Test func regionsAreAveragedByClass() throws {
    var tally = RegionTally()
    for place in [0, 4, 5, 0] { tally.add(class: 7, place: place) }
    tally.add(class: 2, place: 3)
    #expect(tally.presentClasses == [2, 7] && tally.regions == 5)
    #expect(tally.accuracy(of: 7) == 0.5 && tally.accuracy(of: 7, withinFive: true) == 0.75)
    #expect(tally.meanAccuracy(of: [2, 7, 9]) == 0.25)
    #expect(tally.meanAccuracy(of: [2, 7], withinFive: true) == 0.875)
    #expect(tally.meanAccuracy(of: [9]) == nil)
    var twice = tally
    twice.merge(tally)
    #expect(twice.regions == 10 && twice.meanAccuracy(of: [2, 7]) == 0.25)
    let data = try JSONEncoder().encode(twice)
    #expect(try JSONDecoder().decode(RegionTally.self, from: data) == twice)
    let wrong = try? JSONDecoder().decode(RegionTally.self, from: Data("[[1,2,3,3]]".utf8))
    #expect(wrong == nil)
  }
}
