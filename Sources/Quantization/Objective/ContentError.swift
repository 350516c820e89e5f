import Glibc

/// How far dense features moved: what DeCLIP's content loss measures (arXiv 2505.04410, section
/// 3.3), between a model of floats and its quantised form.
///
/// Plain cosines flatter: tokens of one picture share a large mean, and an error in it hardly turns
/// them. So cosines are also taken after each side's mean token of the picture is taken away, and
/// the error of the mean token is stated for itself.
public struct ContentError: Hashable, Sendable, Codable {
  /// The tokens compared.
  public var tokens: Int
  /// The mean cosine between a token's two features.
  public var cosine: Double
  /// The cosine that 1 % of tokens do not exceed.
  public var firstPercentile: Double
  /// The mean cosine after each side's mean token was taken away, picture by picture.
  public var centredCosine: Double
  /// The same's first percentile.
  public var centredFirstPercentile: Double
  /// The distance between both sides' mean tokens in units of the token spread, averaged over
  /// pictures. The spread is the root of the mean squared distance of the float side's tokens from
  /// their mean.
  public var shift: Double
}

/// Collects `ContentError` picture by picture, in memory that does not grow with their number.
public struct ContentErrorMeter: Hashable, Sendable, Codable {
  private var plain = CosineDistribution()
  private var centred = CosineDistribution()
  private var shift = 0.0
  private var pictures = 0

  /// Makes an empty meter.
  public init() {}

  /// Adds what another meter found of other pictures.
  public mutating func merge(_ other: ContentErrorMeter) {
    plain.merge(other.plain)
    centred.merge(other.centred)
    shift += other.shift
    pictures += other.pictures
  }

  /// What was found so far.
  public var result: ContentError {
    ContentError(
      tokens: plain.count, cosine: plain.mean, firstPercentile: plain.percentile(0.01),
      centredCosine: centred.mean, centredFirstPercentile: centred.percentile(0.01),
      shift: pictures == 0 ? 0 : shift / Double(pictures))
  }

  /// Adds one picture's features, `[tokens, width]` on both sides; rows are normalised here.
  ///
  /// - Precondition: both sides have the same number of values, a multiple of `width`.
  public mutating func add(float: [Float], quantized: [Float], width: Int) {
    precondition(width > 0 && float.count == quantized.count && float.count % width == 0)
    let tokens = float.count / width
    guard tokens > 0 else { return }
    let (a, b) = (normalizedRows(float, width), normalizedRows(quantized, width))
    let (meanA, meanB) = (meanRow(a, width), meanRow(b, width))
    var spread = 0.0
    for token in 0..<tokens {
      var (product, product0, normA, normB) = (0.0, 0.0, 0.0, 0.0)
      for column in 0..<width {
        let (x, y) = (Double(a[token * width + column]), Double(b[token * width + column]))
        product0 += x * y
        let (u, v) = (x - meanA[column], y - meanB[column])
        product += u * v
        normA += u * u
        normB += v * v
      }
      plain.add(product0)
      // A picture of one colour has no spread; equal tokens are equal.
      let norm = (normA * normB).squareRoot()
      centred.add(norm > 0 ? product / norm : (normA == normB ? 1 : 0))
      spread += normA
    }
    let distance = zip(meanA, meanB).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    if spread > 0 { shift += (distance / (spread / Double(tokens))).squareRoot() }
    pictures += 1
  }
}

/// Rows divided by their length; rows of zeros stay.
func normalizedRows(_ rows: [Float], _ width: Int) -> [Float] {
  var result = rows
  for start in stride(from: 0, to: rows.count, by: width) {
    var sum = 0.0
    for index in start..<start + width { sum += Double(rows[index]) * Double(rows[index]) }
    guard sum > 0 else { continue }
    let inverse = Float(1 / sum.squareRoot())
    for index in start..<start + width { result[index] *= inverse }
  }
  return result
}

/// The mean over rows.
func meanRow(_ rows: [Float], _ width: Int) -> [Double] {
  var sum = [Double](repeating: 0, count: width)
  for start in stride(from: 0, to: rows.count, by: width) {
    for column in 0..<width { sum[column] += Double(rows[start + column]) }
  }
  let count = Double(max(rows.count / width, 1))
  return sum.map { $0 / count }
}
