/// How many patches keep their class: the class of highest cosine among text embeddings, for
/// float and quantised features.
public struct LabelAgreementMeter: Sendable {
  private let embeddings: [Float]
  private let width: Int
  private var equal = 0
  private var patches = 0

  /// A meter for classes.
  ///
  /// - Precondition: `embeddings` are `[classes, width]`, normalised, at least one.
  public init(embeddings: [Float], width: Int) {
    precondition(width > 0 && !embeddings.isEmpty && embeddings.count % width == 0)
    self.embeddings = embeddings
    self.width = width
  }

  /// The share of patches whose class is the same, 1 where there were none.
  public var result: Double { patches == 0 ? 1 : Double(equal) / Double(patches) }

  /// Adds one picture's dense features, `[patches, width]` on both sides.
  ///
  /// `shown` are the patches that show the picture: in its padding labels mean nothing.
  public mutating func add(float: [Float], quantized: [Float], shown: some Sequence<Int>) {
    let shown = Array(shown)
    let (a, b) = (labels(float, shown), labels(quantized, shown))
    patches += shown.count
    for (x, y) in zip(a, b) where x == y { equal += 1 }
  }

  private func labels(_ features: [Float], _ patches: [Int]) -> [Int] {
    let classes = embeddings.count / width
    var rows: [Float] = []
    rows.reserveCapacity(patches.count * width)
    for patch in patches { rows += features[patch * width..<(patch + 1) * width] }
    var scores = [Float](repeating: 0, count: patches.count * classes)
    rows.withUnsafeBufferPointer { rows in
      embeddings.withUnsafeBufferPointer { embeddings in
        Matrix.multiplyTransposed(
          rows, from: 0, rows: patches.count, by: embeddings, rows: classes, width: width,
          into: &scores)
      }
    }
    // Features need not be normalised: their length does not change which class is highest.
    return patches.indices.map { patch in
      let row = scores[patch * classes..<(patch + 1) * classes]
      var best = row.startIndex
      for index in row.indices where row[index] > row[best] { best = index }
      return best - row.startIndex
    }
  }
}
