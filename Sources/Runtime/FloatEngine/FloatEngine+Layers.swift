import CKernels
import Model

extension FloatEngine {
  /// Part `job` of `range` cut into `parts`, each but the last a multiple of `unit` long.
  func part(_ range: Range<Int>, _ job: Int, of parts: Int, unit: Int = 1) -> Range<Int> {
    let units = (range.count + unit - 1) / unit
    let start = range.lowerBound + units * job / parts * unit
    let end = range.lowerBound + units * (job + 1) / parts * unit
    return start..<min(end, range.upperBound)
  }

  func embedPatches(
    _ layer: FloatPatchEmbedding, patches: FloatMatrix, job: Int, of parts: Int
  ) {
    let rows = part(1..<plan.rows, job, of: parts)
    layOut(rows, of: layer, patches: patches, includesClassToken: job == 0)
    guard !rows.isEmpty, let weight = layer.weight else { return }
    let (width, elements) = (plan.transformer.width, plan.width(of: .patches))
    multiply(
      MatrixProduct(
        rows: rows.count, columns: width, terms: elements,
        a: UnsafePointer(patches.row(rows.lowerBound)), aStride: patches.stride, b: weight,
        bStride: elements, isTransposed: true, accumulates: true),
      to: layer.tokens.row(rows.lowerBound), stride: width)
  }

  /// The pixels of the patches `rows`, in `patches`, and in their tokens positions and bias, to
  /// which the product is added.
  func layOut(
    _ rows: Range<Int>, of layer: FloatPatchEmbedding, patches: FloatMatrix,
    includesClassToken: Bool
  ) {
    guard let grid = plan.grid, let patchSize = plan.patchSize, let pixels else { return }
    let width = plan.transformer.width
    let planeSize = inputWidth * grid.rows * patchSize
    if includesClassToken {
      let row = layer.tokens.row(0)
      for i in 0..<width { row[i] = layer.classToken[i] + positions[i] }
    }
    for token in rows {
      let (y, x) = ((token - 1) / grid.columns, (token - 1) % grid.columns)
      var target = patches.row(token)
      for channel in 0..<3 {
        var source = pixels + channel * planeSize + y * patchSize * inputWidth + x * patchSize
        for _ in 0..<patchSize {
          target.update(from: source, count: patchSize)
          target += patchSize
          source += inputWidth
        }
      }
      let row = layer.tokens.row(token)
      for i in 0..<width { row[i] = positions[token * width + i] + (layer.bias?[i] ?? 0) }
    }
  }

  func embedTokens(_ layer: FloatTokenEmbedding, job: Int, of parts: Int) {
    let width = plan.transformer.width
    for token in part(range(.all), job, of: parts) {
      let (id, position) = packedTexts.entry(token)
      let source = layer.table + id * width
      let row = layer.tokens.row(token)
      for i in 0..<width { row[i] = source[i] + positions[position * width + i] }
    }
  }

  func layerNorm(_ layer: FloatLayerNorm, job: Int, of parts: Int) {
    let rows = part(range(layer.rows), job, of: parts)
    guard !rows.isEmpty else { return }
    kernels.layer_norm(
      layer.source.row(rows.lowerBound), layer.source.stride, layer.gain, layer.bias, epsilon,
      layer.target.row(rows.lowerBound), layer.target.stride, rows.count, layer.columns)
  }

  func linear(_ layer: FloatProduct, job: Int, of parts: Int) {
    let columns = part(0..<layer.outputs, job, of: parts, unit: 16)
    guard !columns.isEmpty else { return }
    multiply(layer, columns)
    let rows = range(layer.rows)
    let target = layer.target.row(rows.lowerBound) + columns.lowerBound
    switch layer.activation {
    case nil: break
    case .silu: preconditionFailure("a plan has silu in gated products only")
    case .quickGELU: kernels.quick_gelu(target, layer.target.stride, rows.count, columns.count)
    case .gelu: kernels.gelu(target, layer.target.stride, rows.count, columns.count)
    case .geluTanh: kernels.gelu_tanh(target, layer.target.stride, rows.count, columns.count)
    }
  }

  func gatedLinear(_ layer: FloatGatedProduct, job: Int, of parts: Int) {
    let columns = part(0..<layer.gate.outputs, job, of: parts, unit: 16)
    guard !columns.isEmpty else { return }
    multiply(layer.gate, columns)
    multiply(layer.up, columns)
    let rows = range(layer.gate.rows)
    kernels.silu_multiply(
      layer.gate.target.row(rows.lowerBound) + columns.lowerBound, layer.gate.target.stride,
      layer.up.target.row(rows.lowerBound) + columns.lowerBound, layer.up.target.stride,
      rows.count, columns.count)
  }

  /// Output columns `columns` of a product, bias included.
  private func multiply(_ layer: FloatProduct, _ columns: Range<Int>) {
    let rows = range(layer.rows)
    guard !rows.isEmpty else { return }
    let target = layer.target.row(rows.lowerBound) + columns.lowerBound
    multiply(
      MatrixProduct(
        rows: rows.count, columns: columns.count, terms: layer.inputs,
        a: UnsafePointer(layer.source.row(rows.lowerBound)), aStride: layer.source.stride,
        b: layer.weight + columns.lowerBound * layer.inputs, bStride: layer.inputs,
        isTransposed: true, accumulates: layer.accumulates),
      to: target, stride: layer.target.stride)
    if let bias = layer.bias {
      kernels.add_bias(
        target, layer.target.stride, bias + columns.lowerBound, rows.count, columns.count)
    }
  }

  func rotate(_ target: FloatMatrix, job: Int, of parts: Int) {
    let rows = part(range(.patches), job, of: parts)
    guard !rows.isEmpty else { return }
    let headSize = plan.transformer.headSize
    let start = (rows.lowerBound - 1) * headSize / 2
    rotary.cosine.withUnsafeBufferPointer { cosine in
      rotary.sine.withUnsafeBufferPointer { sine in
        guard let cosine = cosine.baseAddress, let sine = sine.baseAddress else { return }
        kernels.rotate(
          target.row(rows.lowerBound), target.stride, cosine + start, sine + start, rows.count,
          plan.transformer.heads, headSize)
      }
    }
  }

  func copy(_ source: FloatMatrix, _ target: FloatMatrix, rows: RowSet, job: Int, of parts: Int) {
    for row in part(range(rows), job, of: parts) {
      target.row(row).update(from: source.row(row), count: target.stride)
    }
  }

  func gatherEnds(_ source: FloatMatrix, _ target: FloatMatrix, job: Int, of parts: Int) {
    for text in part(range(.texts), job, of: parts) {
      target.row(text).update(
        from: source.row(packedTexts.range(text).upperBound - 1), count: target.stride)
    }
  }
}
