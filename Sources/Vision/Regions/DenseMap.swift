/// Features on a grid of patches.
public struct DenseMap: Sendable {
  /// Rows of patches.
  public let rows: Int
  /// Columns of patches.
  public let columns: Int
  /// The size of a feature.
  public let width: Int
  /// `[rows * columns, width]`, row-major.
  public let values: [Float]

  /// A map of features, divided by their L2 norms where `normalizing`; nil where their number does
  /// not suit the extents.
  ///
  /// Regions are pooled from normalised features, as in the released implementation: otherwise
  /// patches with long features would outvote the others.
  public init?(
    rows: Int, columns: Int, width: Int, values: [Float], normalizing: Bool = false
  ) {
    let (cells, overflow) = rows.multipliedReportingOverflow(by: columns)
    guard rows > 0, columns > 0, width > 0, !overflow, values.count % width == 0,
      values.count / width == cells
    else { return nil }
    self.rows = rows
    self.columns = columns
    self.width = width
    guard normalizing else {
      self.values = values
      return
    }
    var normalized = values
    for cell in 0..<cells {
      let range = cell * width..<(cell + 1) * width
      let norm = normalized[range].reduce(0) { $0 + $1 * $1 }.squareRoot()
      // The same floor under the length as PyTorch's `normalize`.
      let scale = 1 / max(norm, 1e-12)
      for index in range { normalized[index] *= scale }
    }
    self.values = normalized
  }

  /// `sum += weight * feature` of one cell.
  @inline(__always)
  func add(_ cell: Int, times weight: Float, to sum: inout [Float]) {
    let start = cell * width
    for index in 0..<width { sum[index] += weight * values[start + index] }
  }
}
