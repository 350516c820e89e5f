/// How well the classes of a vocabulary fit one feature.
public struct ClassRanking: Sendable {
  /// The cosine of each class, in the order of the vocabulary.
  public let cosines: [Float]

  /// Compares a feature of any length with class embeddings.
  ///
  /// - Parameters:
  ///   - feature: `[width]`.
  ///   - embeddings: `[classes, width]`, normalised, row-major.
  ///
  /// - Precondition: embeddings are whole rows of the feature's size.
  public init(feature: [Float], embeddings: [Float]) {
    let width = feature.count
    precondition(width > 0 && embeddings.count % width == 0)
    let norm = feature.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let scale = 1 / max(norm, 1e-12)
    cosines = (0..<embeddings.count / width).map { index in
      var sum: Float = 0
      for column in 0..<width { sum += feature[column] * embeddings[index * width + column] }
      return sum * scale
    }
  }

  /// The classes, the best first; of equals the one that comes first in the vocabulary.
  public var order: [Int] {
    cosines.indices.sorted { (cosines[$1], $0) < (cosines[$0], $1) }
  }

  /// How many classes come before `index`; all others do where cosines are not numbers.
  public func place(of index: Int) -> Int {
    let own = cosines[index]
    guard own.isFinite else { return cosines.count - 1 }
    return cosines.indices.count { cosines[$0] > own || (cosines[$0] == own && $0 < index) }
  }
}
