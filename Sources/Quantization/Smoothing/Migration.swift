/// Scales and offsets of a layer's input channels, moved into what comes before and after so that
/// the function stays the same: the layer reads `x' = (x - offset) / scale`.
///
/// What makes the rows is changed to make `x'`, weights become `W diag(scale)`, biases
/// `b + W offset`. Scales even out channels that own the range (SmoothQuant, Xiao et al., ICML
/// 2023), offsets centre them (Outlier Suppression+, Wei et al., EMNLP 2023).
public struct Migration: Hashable, Sendable {
  /// `[width]`, above 0.
  public var scales: [Float]
  /// `[width]`.
  public var offsets: [Float]

  /// Makes a migration.
  public init(scales: [Float], offsets: [Float]) {
    self.scales = scales
    self.offsets = offsets
  }

  /// Rows `[rows, width]` as the layer reads them after the migration.
  func applied(to rows: [Float]) -> [Float] {
    let width = scales.count
    let inverse = scales.map { 1 / $0 }
    var result = rows
    for start in stride(from: 0, to: rows.count, by: width) {
      for column in 0..<width {
        result[start + column] = (rows[start + column] - offsets[column]) * inverse[column]
      }
    }
    return result
  }

  /// A weight `[outputs, width]` that reads such rows.
  func weight(_ weight: [Float]) -> [Float] {
    let width = scales.count
    var result = weight
    for start in stride(from: 0, to: weight.count, by: width) {
      for column in 0..<width { result[start + column] *= scales[column] }
    }
    return result
  }
}

/// `W v` with a weight `[outputs, width]`, summed in double precision.
func product(_ weight: [Float], _ vector: [Double]) -> [Double] {
  let width = vector.count
  return stride(from: 0, to: weight.count, by: width).map { start in
    var sum = 0.0
    for column in 0..<width { sum += Double(weight[start + column]) * vector[column] }
    return sum
  }
}
