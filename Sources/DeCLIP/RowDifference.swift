import Foundation

/// How far matrices of rows are from reference matrices of the same shape, summed over pairs.
///
/// *Centred* figures are taken after each side's mean row was taken away, pair by pair: tokens of a
/// picture share a large mean, beside which an error in what tells them apart hardly shows.
public struct RowDifference: Sendable {
  /// Rows compared so far.
  public private(set) var rows = 0
  /// The smallest and the largest element of the reference.
  public private(set) var referenceRange = (low: Float.infinity, high: -Float.infinity)
  /// The smallest and the largest element of the other side.
  public private(set) var otherRange = (low: Float.infinity, high: -Float.infinity)

  private var plain = Sums()
  private var centred = Sums()
  private var shifts = 0.0
  private var pairs = 0

  /// Energies and cosines of rows.
  private struct Sums {
    var signal = 0.0
    var noise = 0.0
    var cosines = 0.0

    var ratio: Double { 10 * log10(signal / noise) }

    mutating func add(_ row: RowProducts) {
      signal += row.reference
      noise += row.difference
      // Two rows of zeros are equal; one of zeros has no direction.
      let norms = (row.reference * row.other).squareRoot()
      cosines += norms == 0 ? (row.reference == row.other ? 1 : 0) : row.both / norms
    }
  }

  /// Sums of products over a row.
  private struct RowProducts {
    var reference = 0.0
    var other = 0.0
    var both = 0.0
    var difference = 0.0

    mutating func add(_ a: Double, _ b: Double) {
      reference += a * a
      other += b * b
      both += a * b
      difference += (a - b) * (a - b)
    }
  }

  /// A difference of nothing yet.
  public init() {}

  /// The energy of the reference over that of the difference in dB: infinite where both sides are
  /// equal, not a number where the reference is zero too.
  public var ratio: Double { plain.ratio }

  /// The same after the mean rows were taken away; not a number for single rows.
  public var centredRatio: Double { centred.ratio }

  /// The mean cosine of a row and its reference.
  public var cosine: Double { plain.cosines / Double(rows) }

  /// The same after the mean rows were taken away.
  public var centredCosine: Double { centred.cosines / Double(rows) }

  /// The distance of the mean rows over the root mean square distance of the reference's rows from
  /// their mean, averaged over pairs.
  public var shift: Double { shifts / Double(pairs) }

  /// Adds a pair of matrices `[rows, columns]`, row-major.
  ///
  /// What does not divide into rows of as many columns on both sides is not looked at.
  public mutating func add(reference: [Float], other: [Float], columns: Int) {
    guard columns > 0, reference.count == other.count, reference.count >= columns else { return }
    let count = reference.count / columns
    var (means, otherMeans) = (
      [Double](repeating: 0, count: columns), [Double](repeating: 0, count: columns)
    )
    for row in 0..<count {
      var products = RowProducts()
      for column in 0..<columns {
        let (a, b) = (reference[row * columns + column], other[row * columns + column])
        referenceRange = (min(referenceRange.low, a), max(referenceRange.high, a))
        otherRange = (min(otherRange.low, b), max(otherRange.high, b))
        means[column] += Double(a) / Double(count)
        otherMeans[column] += Double(b) / Double(count)
        products.add(Double(a), Double(b))
      }
      plain.add(products)
    }
    var spread = 0.0
    for row in 0..<count {
      var products = RowProducts()
      for column in 0..<columns {
        products.add(
          Double(reference[row * columns + column]) - means[column],
          Double(other[row * columns + column]) - otherMeans[column])
      }
      centred.add(products)
      spread += products.reference / Double(count)
    }
    let distance = zip(means, otherMeans).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    shifts += (distance / spread).squareRoot()
    pairs += 1
    rows += count
  }
}
