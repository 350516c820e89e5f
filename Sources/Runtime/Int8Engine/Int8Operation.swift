import Model

/// What the int8 engine does for a step of a plan.
enum Int8Work {
  /// Left to the float engine.
  case float
  /// Operations on a set of rows of tokens, one after the other for each block of rows; none where
  /// the step is done within another.
  case rows([RowOperation], of: RowSet)
  /// The same behind a part that is left to the float engine.
  case floatThenRows([RowOperation], of: RowSet)
  /// Attention by products of integers, one job for each head.
  case attend(Int8Attention)
}

extension Int8Work {
  /// The operations on rows and the rows; nil where there are none.
  var rowOperations: ([RowOperation], RowSet)? {
    switch self {
    case .rows(let operations, let rows), .floatThenRows(let operations, let rows):
      (operations, rows)
    case .float, .attend: nil
    }
  }
}

/// An operation of a step on rows of tokens, bound to the places of its operands.
enum RowOperation {
  /// The patches' pixels laid out as rows.
  case layOut(FloatPatchEmbedding, patches: FloatRows)
  /// A LayerNorm whose result goes on as bytes.
  case normalize(Int8Normalization)
  /// Rows quantised as they are, before the product that reads them.
  case quantize(Int8Quantization)
  /// A product of quantised rows.
  case multiply(Int8Product)
  /// Projected rows that become a block's queries or keys.
  case quantizeHeads(Int8HeadQuantization)
  /// Rows that become `silu` of themselves times those of a product that was computed in float.
  case gate(FloatRows, with: FloatRows, columns: Int)
}

extension RowOperation {
  /// Whether the operation is a product; what a product does to its results is part of it.
  var isProduct: Bool {
    if case .multiply = self { true } else { false }
  }
}

struct Int8Normalization {
  let gain: UnsafePointer<Float>
  let bias: UnsafePointer<Float>
  let source: FloatRows
  let columns: Int
  let target: QuantizedRows
}

struct Int8Quantization {
  let source: FloatRows
  let columns: Int
  let target: QuantizedRows
}

/// Projected rows that become queries or keys.
struct Int8HeadQuantization {
  let source: FloatRows
  let target: ScoreRows
  /// Whether rows are rotated by their positions.
  let rotates: Bool
  /// The largest magnitude of the words.
  let limit: Int32
}

/// `target = source weight^T + bias` through an activation, or added to the target.
struct Int8Product {
  let layer: Int8Layer
  let bias: UnsafePointer<Float>?
  let source: QuantizedRows
  let target: FloatRows
  let result: Result
  /// What of the source is multiplied.
  var plane = RowPlane.upper

  /// What becomes of the product.
  enum Result {
    case store
    /// Added to what the target holds.
    case add
    /// Stored through a nonlinearity.
    case activate(Activation)
    /// Multiplies `silu` of what the target holds, the gate of a gated network.
    case gate
  }

  /// The product, and behind it that of the source's lower plane where it has one; the result is
  /// then stored or added.
  var operations: [RowOperation] {
    guard source.quantization.isWide else { return [.multiply(self)] }
    return [
      .multiply(self),
      .multiply(
        Int8Product(
          layer: layer, bias: nil, source: source, target: target, result: .add, plane: .lower)),
    ]
  }
}

struct Int8Attention {
  /// What is compared for the scores, a softmax for each.
  let products: [Product]
  /// Whether queries and keys are rotated by their positions.
  let rotates: Bool
  /// Whether rows are compared with themselves.
  let isDecoupled: Bool
  /// The integers that are multiplied.
  let precision: Quantization.Attention
  let value: FloatMatrix
  let target: FloatMatrix
  let rows: RowSet

  /// The most rows side by side.
  var mostSources: Int { products.map(\.operands.count).max() ?? 1 }

  /// Rows that are compared for scores.
  struct Product {
    let operands: Operands
    /// What scores are multiplied by.
    let scale: Float
  }

  enum Operands {
    /// Rows in floats; several side by side are compared as one, which adds their products.
    case floats(left: [FloatMatrix], right: [FloatMatrix])
    /// Rows that were quantised behind their projections.
    case words(queries: ScoreRows, keys: ScoreRows)

    /// The rows side by side.
    var count: Int {
      switch self {
      case .floats(_, let right): right.count
      case .words: 1
      }
    }
  }
}

extension Quantization.Attention {
  /// The largest magnitude of queries and keys.
  var scoreLimit: Int32 { (1 << (scoreBits - 1)) - 1 }
  /// The largest magnitude of values.
  var valueLimit: Int32 { (1 << (valueBits - 1)) - 1 }
}

extension Step {
  /// Whether the step projects queries or keys: their slot, otherwise nil.
  var scoreSlot: Slot? {
    switch operation {
    case .linear(.block(_, .query), _, _, _, _): .query
    case .linear(.block(_, .key), _, _, _, _): .key
    default: nil
    }
  }
}
