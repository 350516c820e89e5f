import CKernels
import Model

extension Int8Engine {
  /// A multiple of every variant's tile of rows.
  private static let tileRows = 12

  /// Does an operation for those rows of a block that the step is computed for.
  func perform(_ operation: RowOperation, _ rows: RowSet, in block: RowBlock) {
    let rows = float.range(rows).clamped(to: block.rows)
    switch operation {
    case .layOut(let layer, let patches):
      float.layOut(
        rows, of: layer, patches: patches.matrix(in: block),
        includesClassToken: block.rows.contains(0))
    case .normalize(let step): normalize(step, rows, in: block)
    case .quantize(let step): quantize(step, rows, in: block)
    case .multiply(let product): multiply(product, rows, in: block)
    case .quantizeHeads(let step): quantizeHeads(step, rows, in: block)
    case .gate(let target, let operand, let columns):
      guard !rows.isEmpty else { return }
      let (target, operand) = (target.matrix(in: block), operand.matrix(in: block))
      kernels.floats.silu_multiply(
        target.row(rows.lowerBound), target.stride, operand.row(rows.lowerBound), operand.stride,
        rows.count, columns)
    }
  }

  private func quantizer(
    _ target: QuantizedRows, from row: Int, in block: RowBlock
  ) -> declip_int8_quantizer {
    let isWide = target.quantization.isWide
    return declip_int8_quantizer(
      range: target.quantization.largest, zero_point: target.quantization.zeroPoint,
      inverse_scale: 1 / (target.quantization.scale ?? 1),
      row_scale: target.scale(row, in: block), output: target.row(row, in: block),
      output_stride: target.stride, scratch: scratch.row(block.worker),
      low_output: isWide ? target.row(row, .lower, in: block) : nil,
      low_scale: isWide ? target.scale(row, .lower, in: block) : nil)
  }

  private func normalize(_ step: Int8Normalization, _ rows: Range<Int>, in block: RowBlock) {
    guard !rows.isEmpty else { return }
    let source = step.source.matrix(in: block)
    var quantizer = quantizer(step.target, from: rows.lowerBound, in: block)
    kernels.rows.layer_norm_quantize(
      source.row(rows.lowerBound), source.stride, step.gain, step.bias, float.epsilon, rows.count,
      step.columns, &quantizer)
  }

  private func quantize(_ step: Int8Quantization, _ rows: Range<Int>, in block: RowBlock) {
    guard !rows.isEmpty else { return }
    let source = step.source.matrix(in: block)
    var quantizer = quantizer(step.target, from: rows.lowerBound, in: block)
    kernels.rows.quantize(
      source.row(rows.lowerBound), source.stride, rows.count, step.columns, &quantizer)
  }

  private func quantizeHeads(
    _ step: Int8HeadQuantization, _ rows: Range<Int>, in block: RowBlock
  ) {
    guard let first = rows.first else { return }
    let (source, target) = (step.source.matrix(in: block), step.target)
    for head in 0..<target.width / target.headSize {
      rotateQuantize(
        rows, of: source.row(first) + head * target.headSize, stride: source.stride,
        size: target.headSize, rotates: step.rotates, step.limit,
        to: target.row(first, head: head), stride: target.width, target.scale(first, head: head))
    }
  }

  private func multiply(_ product: Int8Product, _ rows: Range<Int>, in block: RowBlock) {
    guard !rows.isEmpty else { return }
    let (layer, plane) = (product.layer, product.plane)
    let target = product.target.matrix(in: block)
    let panel = Int(DECLIP_INT8_PANEL)
    var epilogue = declip_int8_epilogue(
      row_scale: product.source.scale(rows.lowerBound, plane, in: block),
      tensor_scale: product.source.quantization.scale ?? 1,
      zero_point: product.source.quantization.zeroPoint(of: plane), column_scale: layer.columnScale,
      bias: product.bias, column_sum: layer.columnSum, result: product.result.kernel)
    kernels.gemm.u8s8_f32(
      product.source.row(rows.lowerBound, plane, in: block), product.source.stride, layer.packed,
      rows.count, layer.outputs, layer.inputs, layer.range, 0,
      (layer.outputs + panel - 1) / panel, &epilogue, target.row(rows.lowerBound), target.stride)
  }
}

extension Int8Product.Result {
  /// The same as kernels name it.
  fileprivate var kernel: declip_int8_result {
    switch self {
    case .store: DECLIP_INT8_STORE
    case .add: DECLIP_INT8_ADD
    case .gate: DECLIP_INT8_GATE
    case .activate(.quickGELU): DECLIP_INT8_QUICK_GELU
    case .activate(.gelu): DECLIP_INT8_GELU
    case .activate(.geluTanh): DECLIP_INT8_GELU_TANH
    // Gated networks alone have it, which multiply by it.
    case .activate(.silu): DECLIP_INT8_STORE
    }
  }
}
