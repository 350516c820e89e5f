import Model

/// Position tables for grids other than the trained one, and rotary tables.
enum Positions {
  /// A learned table `[from.count, width]` resized to `[to.count, width]`, row-major grids.
  ///
  /// Bicubic with coefficient -0.75, half-pixel centres, edges repeated, no antialiasing: what
  /// PyTorch's `interpolate(mode="bicubic", align_corners=False)` computes.
  static func resized(_ table: [Float], from: Grid, to: Grid, width: Int) -> [Float] {
    if from == to { return table }
    let rows = taps(from: from.rows, to: to.rows)
    let columns = taps(from: from.columns, to: to.columns)
    var result = [Float](repeating: 0, count: to.count * width)
    for (y, vertical) in rows.enumerated() {
      for (x, horizontal) in columns.enumerated() {
        let target = (y * to.columns + x) * width
        for (row, rowWeight) in vertical {
          for (column, columnWeight) in horizontal {
            let source = (row * from.columns + column) * width
            let weight = rowWeight * columnWeight
            for i in 0..<width { result[target + i] += weight * table[source + i] }
          }
        }
      }
    }
    return result
  }

  /// For each of `to` targets the four sources and their weights.
  private static func taps(from: Int, to: Int) -> [[(index: Int, weight: Float)]] {
    let a: Float = -0.75
    func near(_ x: Float) -> Float { ((a + 2) * x - (a + 3)) * x * x + 1 }
    func far(_ x: Float) -> Float { ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }
    let scale = Float(from) / Float(to)
    return (0..<to).map { target in
      let position = scale * (Float(target) + 0.5) - 0.5
      let base = position.rounded(.down)
      let t = position - base
      let weights = [far(t + 1), near(t), near(1 - t), far(2 - t)]
      return weights.enumerated().map { tap, weight in
        (min(max(Int(base) - 1 + tap, 0), from - 1), weight)
      }
    }
  }

  /// Cosines and sines `[grid.count, headSize / 2]`, one pair of neighbours a column.
  ///
  /// The first half of a head encodes the row, the second the column; frequency `i` of an axis
  /// is `theta^(-2i / (headSize / 2))` (RoFormer, arXiv 2104.09864, along two axes).
  static func rotaryTables(
    _ rotary: RotaryPositions, grid: Grid, headSize: Int
  ) -> (cosine: [Float], sine: [Float]) {
    let quarter = headSize / 4
    let logarithm = ExactMath.log(Double(rotary.theta))
    let frequencies = (0..<quarter).map {
      ExactMath.exp(logarithm * -2 * Double($0) / Double(headSize / 2))
    }
    var cosine: [Float] = []
    var sine: [Float] = []
    cosine.reserveCapacity(grid.count * headSize / 2)
    sine.reserveCapacity(grid.count * headSize / 2)
    for row in 0..<grid.rows {
      for column in 0..<grid.columns {
        let y = Double(rotary.extent) * Double(row) / Double(grid.rows)
        let x = Double(rotary.extent) * Double(column) / Double(grid.columns)
        for angle in frequencies.map({ $0 * y }) + frequencies.map({ $0 * x }) {
          let values = ExactMath.cosineAndSine(angle)
          cosine.append(Float(values.cosine))
          sine.append(Float(values.sine))
        }
      }
    }
    return (cosine, sine)
  }
}
