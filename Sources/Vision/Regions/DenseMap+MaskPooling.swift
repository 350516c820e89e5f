extension DenseMap {
  /// The mean feature `[width]` over cells of the grid, not normalised; zeros where there are none.
  ///
  /// - Precondition: cells lie in `0..<rows * columns`.
  public func pooled(over cells: some Collection<Int>) -> [Float] {
    var sum = [Float](repeating: 0, count: width)
    guard !cells.isEmpty else { return sum }
    for cell in cells { add(cell, times: 1, to: &sum) }
    let scale = 1 / Float(cells.count)
    return sum.map { $0 * scale }
  }
}

extension InputGeometry {
  /// For each segment of a map, the cells of the grid that it covers any pixel of, in ascending
  /// order: a thin segment has cells too.
  ///
  /// - Parameter segments: `[pictureHeight, pictureWidth]` numbers of segments, row-major. Numbers
  ///   not in `wanted` are passed over.
  ///
  /// - Precondition: the picture's number of pixels.
  public func cells(of wanted: Set<UInt32>, in segments: [UInt32]) -> [UInt32: [Int]] {
    precondition(segments.count == pictureWidth * pictureHeight)
    var cells: [UInt32: Set<Int>] = [:]
    let columns = (0..<pictureWidth).map { cell($0, scaleX, gridColumns) }
    for y in 0..<pictureHeight {
      let row = cell(y, scaleY, gridRows) * gridColumns
      // Neighbours mostly agree: only changes are entered.
      var previous: (segment: UInt32, cell: Int)?
      for x in 0..<pictureWidth {
        let current = (segment: segments[y * pictureWidth + x], cell: row + columns[x])
        if let previous, previous == current { continue }
        previous = current
        if wanted.contains(current.segment) {
          cells[current.segment, default: []].insert(current.cell)
        }
      }
    }
    return cells.mapValues { $0.sorted() }
  }

  /// The row or column of the grid that the centre of a pixel falls into.
  private func cell(_ pixel: Int, _ scale: Double, _ count: Int) -> Int {
    min(count - 1, Int((Double(pixel) + 0.5) * scale / Double(patchSize)))
  }
}
