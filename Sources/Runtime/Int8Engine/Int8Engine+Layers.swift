import CKernels
import Model

extension Int8Engine {
  /// The rows of a set that a job has; whole tiles of rows but for the last.
  private func part(_ rows: RowSet, _ job: Int) -> Range<Int> {
    float.part(float.range(rows), job, of: pool.threads, unit: Self.tileRows)
  }

  /// A multiple of every variant's tile of rows.
  private static let tileRows = 12

  /// Fewer rows than this are not shared out among threads, but columns are.
  private static let mostRowsByColumns = 512

  private var largestValue: Int32 { range == DECLIP_INT8_U7S8 ? 127 : 255 }
  var zeroPoint: Int32 { (largestValue + 1) / 2 }

  private func quantizer(
    _ target: QuantizedRows, from row: Int, scratch: UnsafeMutablePointer<Float>
  ) -> declip_int8_quantizer {
    declip_int8_quantizer(
      range: largestValue, zero_point: zeroPoint, inverse_scale: 0,
      row_scale: target.scales + row, output: target.row(row), output_stride: target.stride,
      scratch: scratch)
  }

  func normalize(_ step: Int8Normalization, job: Int, worker: Int) {
    let rows = part(step.norm.rows, job)
    guard !rows.isEmpty else { return }
    // A few rows at a time, so that what a gated network multiplies is normalised from cache.
    var start = rows.lowerBound
    while start < rows.upperBound {
      let count = min(Self.tileRows, rows.upperBound - start)
      let source = step.norm.source.row(start)
      if let operand = step.operand {
        kernels.floats.silu_multiply(
          source, step.norm.source.stride, operand.row(start), operand.stride, count,
          step.norm.columns)
      }
      var quantizer = quantizer(step.target, from: start, scratch: scratch.row(worker))
      kernels.rows.layer_norm_quantize(
        source, step.norm.source.stride, step.norm.gain, step.norm.bias, float.epsilon, count,
        step.norm.columns, &quantizer)
      start += count
    }
  }

  func embed(_ layer: FloatPatchEmbedding, _ step: Int8Quantization, job: Int, worker: Int) {
    let patches = part(.patches, job)
    float.layOut(patches, of: layer, includesClassToken: job == 0)
    guard !patches.isEmpty else { return }
    quantize(step, patches, worker: worker)
  }

  func quantize(_ step: Int8Quantization, rows: RowSet, job: Int, worker: Int) {
    let rows = part(rows, job)
    guard !rows.isEmpty else { return }
    quantize(step, rows, worker: worker)
  }

  private func quantize(_ step: Int8Quantization, _ rows: Range<Int>, worker: Int) {
    var quantizer = quantizer(step.target, from: rows.lowerBound, scratch: scratch.row(worker))
    let (source, stride) = (step.source.row(rows.lowerBound), step.source.stride)
    if let operand = step.operand {
      kernels.rows.silu_multiply_quantize(
        source, stride, operand.row(rows.lowerBound), operand.stride, rows.count, step.columns,
        &quantizer)
      return
    }
    switch step.activation {
    case nil, .silu: kernels.rows.quantize(source, stride, rows.count, step.columns, &quantizer)
    case .gelu: kernels.rows.gelu_quantize(source, stride, rows.count, step.columns, &quantizer)
    case .quickGELU:
      kernels.rows.quick_gelu_quantize(source, stride, rows.count, step.columns, &quantizer)
    case .geluTanh:
      kernels.floats.gelu_tanh(source, stride, rows.count, step.columns)
      kernels.rows.quantize(source, stride, rows.count, step.columns, &quantizer)
    }
  }

  func multiply(_ product: Int8Product, job: Int) {
    let layer = product.layer
    let all = float.range(product.rows)
    let panel = Int(DECLIP_INT8_PANEL)
    let allPanels = 0..<(layer.outputs + panel - 1) / panel
    // Few rows do not divide into whole tiles evenly; columns do.
    let sharesColumns = all.count < Self.mostRowsByColumns
    let rows = sharesColumns ? all : part(product.rows, job)
    let panels = sharesColumns ? float.part(allPanels, job, of: pool.threads) : allPanels
    guard !rows.isEmpty, !panels.isEmpty else { return }
    var epilogue = declip_int8_epilogue(
      row_scale: product.source.scales + rows.lowerBound, tensor_scale: 1, zero_point: zeroPoint,
      column_scale: layer.columnScale, bias: product.bias, column_sum: layer.columnSum,
      accumulate: product.accumulates ? 1 : 0)
    kernels.gemm.u8s8_f32(
      product.source.row(rows.lowerBound), product.source.stride, layer.packed, rows.count,
      layer.outputs, layer.inputs, range, panels.lowerBound, panels.count, &epilogue,
      product.target.row(rows.lowerBound), product.target.stride)
  }
}
