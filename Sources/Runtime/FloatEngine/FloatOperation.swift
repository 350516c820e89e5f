import Model

/// A step of a plan bound to the addresses of its operands.
enum FloatOperation {
  case embedPatches(FloatPatchEmbedding, patches: FloatMatrix)
  case embedTokens(FloatTokenEmbedding)
  case layerNorm(FloatLayerNorm)
  case linear(FloatProduct)
  case gatedLinear(FloatGatedProduct)
  case rotate(FloatMatrix)
  case attend(FloatAttention)
  case copy(from: FloatMatrix, to: FloatMatrix, RowSet)
  case gatherEnds(from: FloatMatrix, to: FloatMatrix)
}

/// Rows of floats in the arena.
struct FloatMatrix {
  let base: UnsafeMutablePointer<Float>
  /// Floats from one row to the next.
  let stride: Int
  /// The token whose row is stored first: 1 where the class token has none.
  let firstRow: Int

  func row(_ token: Int) -> UnsafeMutablePointer<Float> {
    base + (token - firstRow) * stride
  }
}

struct FloatPatchEmbedding {
  /// `[width, 3 * patch * patch]`; nil for an engine that holds it in another form.
  let weight: UnsafePointer<Float>?
  let bias: UnsafePointer<Float>?
  let classToken: UnsafePointer<Float>
  let tokens: FloatMatrix
}

struct FloatTokenEmbedding {
  let table: UnsafePointer<Float>
  let tokens: FloatMatrix
}

struct FloatLayerNorm {
  let gain: UnsafePointer<Float>
  let bias: UnsafePointer<Float>
  let source: FloatMatrix
  let target: FloatMatrix
  let columns: Int
  let rows: RowSet
}

/// `target = activation(source weight^T + bias)`, or added to the target.
struct FloatProduct {
  let weight: UnsafePointer<Float>
  let bias: UnsafePointer<Float>?
  let source: FloatMatrix
  let target: FloatMatrix
  let inputs: Int
  let outputs: Int
  let activation: Activation?
  let accumulates: Bool
  let rows: RowSet
}

struct FloatGatedProduct {
  let gate: FloatProduct
  let up: FloatProduct
}

struct FloatAttention {
  /// What is multiplied for the scores, each with its scale.
  var products: [(left: FloatMatrix, right: FloatMatrix, scale: Float)]
  /// Whether the products are added before one softmax, rather than after one each.
  var isOneSoftmax: Bool
  let isCausal: Bool
  let value: FloatMatrix
  let target: FloatMatrix
  let scores: FloatMatrix
  let rows: RowSet
}
