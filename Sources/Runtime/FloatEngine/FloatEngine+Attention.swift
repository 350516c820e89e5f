import CKernels
import Model

// Attention works on tiles of query rows with all keys of a sequence, so that its memory grows
// linearly with the number of tokens.
extension FloatEngine {
  /// One job for each tile of query rows, head and sequence.
  func attentionJobs(_ attention: FloatAttention) -> Int {
    sequenceCount * plan.transformer.heads * tiles(attention)
  }

  private var sequenceCount: Int { plan.tower == .text ? packedTexts.count : 1 }

  private func sequence(_ index: Int) -> Range<Int> {
    plan.tower == .text ? packedTexts.range(index) : 0..<plan.rows
  }

  /// Tiles of the longest sequence.
  private func tiles(_ attention: FloatAttention) -> Int {
    let longest =
      plan.tower == .text ? packedTexts.longest : range(attention.rows).count
    return (longest + Self.scoreRows - 1) / Self.scoreRows
  }

  func attend(_ attention: FloatAttention, job: Int, worker: Int) {
    let tiles = tiles(attention)
    let heads = plan.transformer.heads
    let keys = sequence(job / (tiles * heads))
    let head = job / tiles % heads
    let queries = plan.tower == .text ? keys : range(attention.rows)
    let start = queries.lowerBound + job % tiles * Self.scoreRows
    let rows = start..<min(start + Self.scoreRows, queries.upperBound)
    guard start < queries.upperBound else { return }

    let scores = attention.scores.base + worker * Self.scoreRows * plan.rows
    // Behind the tile's last row there is nothing that causal attention may look at.
    let columns = attention.isCausal ? rows.upperBound - keys.lowerBound : keys.count
    for (index, product) in attention.products.enumerated() {
      // Products before one softmax have one scale, which multiplies their sum.
      var product = product
      if attention.isOneSoftmax && index < attention.products.count - 1 { product.scale = 1 }
      scoreTile(
        product, rows, keys.lowerBound, columns, head: head,
        accumulates: attention.isOneSoftmax && index > 0, scores)
      if attention.isOneSoftmax && index < attention.products.count - 1 { continue }
      softmax(
        scores, rows, columns,
        firstVisible: attention.isCausal ? rows.lowerBound - keys.lowerBound + 1 : nil)
      aggregate(
        attention, rows, keys.lowerBound, columns, head: head,
        accumulates: !attention.isOneSoftmax && index > 0, scores)
    }
  }

  private func scoreTile(
    _ product: (left: FloatMatrix, right: FloatMatrix, scale: Float), _ rows: Range<Int>,
    _ firstKey: Int, _ columns: Int, head: Int, accumulates: Bool,
    _ scores: UnsafeMutablePointer<Float>
  ) {
    let size = plan.transformer.headSize
    multiply(
      MatrixProduct(
        rows: rows.count, columns: columns, terms: size,
        a: UnsafePointer(product.left.row(rows.lowerBound) + head * size),
        aStride: product.left.stride,
        b: UnsafePointer(product.right.row(firstKey) + head * size), bStride: product.right.stride,
        isTransposed: true, accumulates: accumulates, factor: product.scale),
      to: scores, stride: columns)
  }

  /// Softmax of each row, over all columns or over a triangle whose first row has `firstVisible`.
  private func softmax(
    _ scores: UnsafeMutablePointer<Float>, _ rows: Range<Int>, _ columns: Int, firstVisible: Int?
  ) {
    guard let firstVisible else {
      kernels.softmax(scores, columns, rows.count, columns)
      return
    }
    for row in 0..<rows.count {
      let visible = firstVisible + row
      let values = scores + row * columns
      kernels.softmax(values, columns, 1, visible)
      (values + visible).update(repeating: 0, count: columns - visible)
    }
  }

  private func aggregate(
    _ attention: FloatAttention, _ rows: Range<Int>, _ firstKey: Int, _ columns: Int, head: Int,
    accumulates: Bool, _ scores: UnsafePointer<Float>
  ) {
    let size = plan.transformer.headSize
    multiply(
      MatrixProduct(
        rows: rows.count, columns: size, terms: columns, a: scores, aStride: columns,
        b: UnsafePointer(attention.value.row(firstKey) + head * size),
        bStride: attention.value.stride, isTransposed: false, accumulates: accumulates),
      to: attention.target.row(rows.lowerBound) + head * size, stride: attention.target.stride)
  }
}
