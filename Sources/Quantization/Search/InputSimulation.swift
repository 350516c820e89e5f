import Model

extension Quantization.Input {
  /// Rows `[rows, width]` as they stand for after quantisation, as the int8 engine does it.
  func simulated(_ rows: [Float], width: Int) -> [Float] {
    var result = rows
    switch self {
    case .float: break
    case .perRow(let bits):
      let largest = Float((1 << bits) - 1)
      let zeroPoint = Float(1 << (bits - 1))
      for start in stride(from: 0, to: rows.count, by: width) {
        var magnitude: Float = 0
        for index in start..<start + width { magnitude = max(magnitude, abs(rows[index])) }
        let scale = magnitude / (zeroPoint - 1)
        let inverse = scale.isNormal ? 1 / scale : 0
        for index in start..<start + width {
          let integer = nearest(rows[index] * inverse) + zeroPoint
          result[index] = (min(max(integer, 0), largest) - zeroPoint) * scale
        }
      }
    case .perTensor(let scale, let zeroPoint, let bits):
      let largest = Float((1 << bits) - 1)
      let (inverse, zero) = (1 / scale, Float(zeroPoint))
      for index in rows.indices {
        let integer = nearest(min(max(rows[index] * inverse, -65536), 65536)) + zero
        result[index] = (min(max(integer, 0), largest) - zero) * scale
      }
    }
    return result
  }

  /// The mean square of what quantisation adds to a value, from rows `[rows, width]`.
  func noise(_ rows: [Float], width: Int) -> Double {
    let simulated = simulated(rows, width: width)
    var sum = 0.0
    for (x, y) in zip(rows, simulated) { sum += Double(x - y) * Double(x - y) }
    return rows.isEmpty ? 0 : sum / Double(rows.count)
  }
}
