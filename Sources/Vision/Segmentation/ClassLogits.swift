import Model

/// Cosine logits of every class on the patches that show the picture.
///
/// Classes lie together, in blocks of eight, the last filled up with `padding`, so that one
/// vector operation serves eight classes.
struct ClassLogits: Sendable {
  typealias Block = SIMD8<Float>

  /// The logit of classes that do not exist: low enough for a probability of 0.
  static let padding: Float = -1e30

  /// Rows of patches.
  let rows: Int
  /// Columns of patches.
  let columns: Int
  /// Blocks of eight classes a patch.
  let blocks: Int
  /// `[rows, columns, blocks]`.
  let values: [Block]

  /// `scale * cos(features, embeddings)` over the content of `geometry`; `scale` times the inner
  /// product where features are not to be normalised.
  ///
  /// - Parameters:
  ///   - features: `[gridRows * gridColumns, size]`, of any length each.
  ///   - embeddings: `[classes, size]`, normalised.
  init(
    features: [Float], embeddings: [Float], size: Int, scale: Float, geometry: InputGeometry,
    normalizing: Bool, threads: Int
  ) {
    let classes = embeddings.count / size
    let (rows, columns) = (geometry.contentRows, geometry.contentColumns)
    let (gridColumns, blocks) = (geometry.gridColumns, (classes + 7) / 8)
    self.rows = rows
    self.columns = columns
    self.blocks = blocks
    var values = [Block](
      repeating: Block(repeating: ClassLogits.padding), count: rows * columns * blocks)
    values.withUnsafeMutableBufferPointer { values in
      nonisolated(unsafe) let values = values
      forEachBand(of: rows, threads: threads) { band in
        features.withUnsafeBufferPointer { features in
          embeddings.withUnsafeBufferPointer { embeddings in
            for row in band {
              for column in 0..<columns {
                let feature = features.extracting(at: row * gridColumns + column, size)
                // The same floor under the length as PyTorch's `normalize`.
                let length = normalizing ? max(dot(feature, feature).squareRoot(), 1e-12) : 1
                let cell = (row * columns + column) * blocks
                for index in 0..<classes {
                  let cosine = dot(feature, embeddings.extracting(at: index, size)) / length
                  values[cell + index / 8][index % 8] = scale * cosine
                }
              }
            }
          }
        }
      }
    }
    self.values = values
  }
}

extension UnsafeBufferPointer {
  /// Row `index` of a matrix with `size` columns.
  fileprivate func extracting(at index: Int, _ size: Int) -> Self {
    extracting((index * size)..<((index + 1) * size))
  }
}

/// The inner product of two vectors of one length.
private func dot(_ a: UnsafeBufferPointer<Float>, _ b: UnsafeBufferPointer<Float>) -> Float {
  guard let left = a.baseAddress, let right = b.baseAddress else { return 0 }
  var (first, second) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
  var index = 0
  while index + 16 <= a.count {
    let (l, r) = (UnsafeRawPointer(left + index), UnsafeRawPointer(right + index))
    first += l.loadUnaligned(as: SIMD8<Float>.self) * r.loadUnaligned(as: SIMD8<Float>.self)
    second +=
      l.loadUnaligned(fromByteOffset: 32, as: SIMD8<Float>.self)
      * r.loadUnaligned(fromByteOffset: 32, as: SIMD8<Float>.self)
    index += 16
  }
  var sum = (first + second).sum()
  while index < a.count {
    sum += left[index] * right[index]
    index += 1
  }
  return sum
}
