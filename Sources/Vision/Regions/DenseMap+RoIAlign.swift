extension DenseMap {
  /// The feature `[width]` of a box on the grid, not normalised: RoIAlign (Mask R-CNN, arXiv
  /// 1703.06870, section 3) to a single bin.
  ///
  /// Equals `torchvision.ops.roi_align` with `output_size=1`, `spatial_scale=1`,
  /// `sampling_ratio=-1` and `aligned=True`: half a cell is taken off every edge, so that whole
  /// numbers are the centres of cells; samples are bilinear, `ceil(extent)` along an axis; those
  /// more than one cell beyond the grid count as zero. A box without area gives zeros.
  ///
  /// - Parameter box: in cells, `InputGeometry.gridBox` makes it from a box on the picture.
  public func aligned(_ box: Box) -> [Float] {
    var sum = [Float](repeating: 0, count: width)
    let vertical = axisWeights(from: box.top, to: box.bottom, cells: rows)
    let horizontal = axisWeights(from: box.left, to: box.right, cells: columns)
    // A sample's weights are products of weights along the axes, so sums over samples are too.
    for row in 0..<rows where vertical[row] != 0 {
      for column in 0..<columns where horizontal[column] != 0 {
        add(row * columns + column, times: vertical[row] * horizontal[column], to: &sum)
      }
    }
    return sum
  }
}

/// What each cell along one axis contributes to the mean over samples, `[count]`.
private func axisWeights(from low: Float, to high: Float, cells count: Int) -> [Float] {
  var weights = [Double](repeating: 0, count: count)
  let samples = Double((high - low).rounded(.up))
  // Larger boxes give nothing that a float could tell from zero.
  guard samples >= 1, samples < 0x1p40 else { return weights.map(Float.init) }
  let (start, step) = (Double(low - 0.5), Double(high - low) / samples)
  // Only samples that can touch the grid are visited, however far a box reaches beyond it.
  var sample = max(0, ((-1 - start) / step - 1.5).rounded(.down))
  let last = min(samples - 1, ((Double(count) - start) / step + 0.5).rounded(.up))
  while sample <= last {
    let position = start + (sample + 0.5) * step
    sample += 1
    guard position >= -1, position <= Double(count) else { continue }
    let clamped = min(max(position, 0), Double(count - 1))
    let lower = Int(clamped)
    let share = clamped - Double(lower)
    weights[lower] += 1 - share
    weights[min(lower + 1, count - 1)] += share
  }
  return weights.map { Float($0 / samples) }
}
