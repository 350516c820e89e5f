import Model

/// A step of a plan that the int8 engine computes, bound to the addresses of its operands.
enum Int8Operation {
  /// The patches' pixels laid out and quantised, then their product added to the tokens.
  case embed(FloatPatchEmbedding, Int8Quantization, then: Int8Product)
  /// A LayerNorm whose result goes on as bytes; before it the product of a gated network's
  /// operands, where there is one.
  case normalize(Int8Normalization)
  /// Rows quantised as they are, or behind a nonlinearity, before the product that reads them.
  case quantize(Int8Quantization, then: Int8Product)
  /// One or more products of the same quantised rows.
  case multiply([Int8Product])
  /// Attention by products of integers.
  case attend(Int8Attention)
  /// Done within a later step.
  case nothing
}

/// Rows of unsigned bytes with a scale each.
struct QuantizedRows {
  let base: UnsafeMutablePointer<UInt8>
  let scales: UnsafeMutablePointer<Float>
  /// Bytes from one row to the next, a multiple of 16.
  let stride: Int

  func row(_ token: Int) -> UnsafeMutablePointer<UInt8> { base + token * stride }

  /// A row as floats.
  func values(of token: Int, columns: Int, _ zeroPoint: Int32) -> [Float] {
    let (row, scale) = (row(token), scales[token])
    return (0..<columns).map { Float(Int32(row[$0]) - zeroPoint) * scale }
  }
}

struct Int8Normalization {
  let norm: FloatLayerNorm
  /// The second operand of a gated network: `silu(source) * operand` is normalised.
  let operand: FloatMatrix?
  let target: QuantizedRows
}

struct Int8Quantization {
  let source: FloatMatrix
  let columns: Int
  /// The second operand of a gated network without a norm.
  let operand: FloatMatrix?
  let activation: Activation?
  let target: QuantizedRows
}

/// `target = source weight^T + bias`, or added to the target.
struct Int8Product {
  let layer: Int8Layer
  let bias: UnsafePointer<Float>?
  let source: QuantizedRows
  let target: FloatMatrix
  let accumulates: Bool
  let rows: RowSet
}

struct Int8Attention {
  /// The rows that are multiplied for the scores; a softmax for each pair.
  let products: [(left: FloatMatrix, right: FloatMatrix, scale: Float)]
  /// Whether queries and keys are rotated by their positions.
  let rotates: Bool
  let value: FloatMatrix
  let target: FloatMatrix
  let rows: RowSet
}
