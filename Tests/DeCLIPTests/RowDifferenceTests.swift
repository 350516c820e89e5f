import DeCLIP
import Testing

@Suite struct RowDifferenceTests {
  private func difference(
    _ reference: [Float], _ other: [Float], columns: Int
  ) -> RowDifference {
    var difference = RowDifference()
    difference.add(reference: reference, other: other, columns: columns)
    return difference
  }

  /// A tenth of error is 20 dB, whatever the direction.
  @Test func ratioIsThatOfEnergies() {
    let scaled = difference([10, 0, 0, -20], [11, 0, 0, -22], columns: 2)
    #expect(abs(scaled.ratio - 20) < 1e-9)
    #expect(abs(scaled.cosine - 1) < 1e-12)
    #expect(scaled.rows == 2)
    #expect(scaled.referenceRange == (-20, 10) && scaled.otherRange == (-22, 11))
    let turned = difference([10, 0, 0, -20], [10, 1, 2, -20], columns: 2)
    #expect(abs(turned.ratio - 20) < 1e-9)
    #expect(abs(turned.cosine - 1 / 1.01.squareRoot()) < 1e-12)
  }

  /// A shift of every row alike is gone from the centred figures, and shows in the shift alone.
  @Test func centredFiguresLeaveTheMeanOut() {
    let moved = difference([1, 0, -1, 0, 0, 2, 0, -2], [4, 4, 2, 4, 3, 6, 3, 2], columns: 2)
    #expect(moved.centredRatio == .infinity)
    #expect(moved.centredCosine == 1)
    // The mean moved by (3, 4); the squared distances from it are 1, 1, 4 and 4.
    #expect(abs(moved.shift - 5 / 2.5.squareRoot()) < 1e-12)
    #expect(moved.ratio < 0)
  }

  @Test func pairsAreCentredOneByOne() {
    var both = RowDifference()
    both.add(reference: [1, 0, -1, 0], other: [2, 0, 0, 0], columns: 2)
    both.add(reference: [0, 3, 0, -3], other: [0, 0, 0, -6], columns: 2)
    #expect(both.rows == 4)
    #expect(both.centredRatio == .infinity)
    #expect(abs(both.shift - 1) < 1e-12)
  }

  @Test func equalRowsAreExactAndSingleRowsHaveNoSpread() {
    let equal = difference([1, 2, 3, 4], [1, 2, 3, 4], columns: 2)
    #expect(equal.ratio == .infinity && equal.cosine == 1 && equal.shift == 0)
    #expect(difference([1, 2], [1, 3], columns: 2).centredRatio.isNaN)
    #expect(difference([0, 0], [0, 0], columns: 2).ratio.isNaN)
    #expect(difference([0, 0], [0, 0], columns: 2).cosine == 1)
    #expect(difference([0, 0], [0, 1], columns: 2).cosine == 0)
  }

  @Test func whatIsNotANumberShows() {
    let difference = difference([1, 2, 3, 4], [1, .nan, 3, 4], columns: 2)
    #expect(difference.ratio.isNaN && difference.cosine.isNaN)
  }

  @Test func matricesOfDifferentShapesAreNotLookedAt() {
    #expect(difference([1, 2, 3, 4], [1, 2], columns: 2).rows == 0)
    #expect(difference([1], [1], columns: 2).rows == 0)
  }
}
