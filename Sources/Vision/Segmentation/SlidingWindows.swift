import Model

/// Overlapping square windows over a resized picture, each an input of its own: how segmentation
/// work computes pictures larger than what a network was trained for.
///
/// Windows begin at whole patches, and the last ones along an axis end with the grid, so that
/// every patch of every window is a patch of the picture's grid and their features can be averaged
/// there.
public struct SlidingWindows: Hashable, Sendable {
  /// The resized picture, padded to the next patch.
  public let geometry: InputGeometry
  /// The side of a window in input pixels.
  public let size: Int
  /// The patch rows at which windows begin, ascending.
  public let rowOrigins: [Int]
  /// The patch columns at which windows begin, ascending.
  public let columnOrigins: [Int]

  /// Lays windows over a picture.
  ///
  /// - Parameters:
  ///   - size: the side of a window in input pixels, a multiple of `patchSize`.
  ///   - stride: from one window to the next, a multiple of `patchSize` and at most `size`.
  ///   - longerSide: what the picture's longer side is resized to, a multiple of `patchSize`; where
  ///     nil, the shorter side becomes a window's.
  ///
  /// Throws `usage` for a number that does not suit, or where the resized picture is larger than
  /// `InputGeometry.maximumExtent`.
  public init(
    pictureWidth: Int, pictureHeight: Int, size: Int, stride: Int, longerSide: Int?, patchSize: Int
  ) throws(DeclipError) {
    geometry =
      if let longerSide {
        try InputGeometry(
          pictureWidth: pictureWidth, pictureHeight: pictureHeight, size: longerSide,
          patchSize: patchSize, fit: .aspect)
      } else {
        try InputGeometry(
          pictureWidth: pictureWidth, pictureHeight: pictureHeight, shorterSide: size,
          patchSize: patchSize)
      }
    guard stride > 0, stride <= size, stride % patchSize == 0 else {
      throw DeclipError(
        .usage, "the stride \(stride) does not suit the windows",
        expected: "a multiple of the patch size \(patchSize), at most the window's \(size)")
    }
    // A window must be an input that the model takes, as `longerSide` was checked to be.
    try InputGeometry.check(size, patchSize)
    self.size = size
    func origins(_ cells: Int) -> [Int] {
      let (window, step) = (size / patchSize, stride / patchSize)
      guard cells > window else { return [0] }
      return (0...(cells - window + step - 1) / step).map { min($0 * step, cells - window) }
    }
    rowOrigins = origins(geometry.gridRows)
    columnOrigins = origins(geometry.gridColumns)
  }

  /// The number of windows.
  public var count: Int { rowOrigins.count * columnOrigins.count }

  /// The patch rows and columns of a window.
  public var windowCells: Int { size / geometry.patchSize }
}

/// The mean over overlapping windows of normalised features.
///
/// Cosine logits are linear in normalised features: classes compared with these means have the
/// mean of the windows' logits.
public struct WindowAverage: Sendable {
  private let windows: SlidingWindows
  private let width: Int
  private var sums: [Float]
  private var counts: [Float]

  /// An empty average of features of `width`.
  public init(_ windows: SlidingWindows, width: Int) {
    self.windows = windows
    self.width = width
    let cells = windows.geometry.gridRows * windows.geometry.gridColumns
    sums = [Float](repeating: 0, count: cells * width)
    counts = [Float](repeating: 0, count: cells)
  }

  /// Adds the features of the window at a patch row and column, `[windowCells^2, width]`; what
  /// lies beyond the grid is left out.
  public mutating func add(_ features: [Float], row: Int, column: Int) {
    let side = windows.windowCells
    guard
      let map = DenseMap(
        rows: side, columns: side, width: width, values: features, normalizing: true)
    else { return }
    let geometry = windows.geometry
    for y in 0..<min(side, geometry.gridRows - row) {
      for x in 0..<min(side, geometry.gridColumns - column) {
        let cell = (row + y) * geometry.gridColumns + column + x
        counts[cell] += 1
        for index in 0..<width {
          sums[cell * width + index] += map.values[(y * side + x) * width + index]
        }
      }
    }
  }

  /// `[gridRows * gridColumns, width]`, of length 1 only where windows agree.
  public var features: [Float] {
    sums.indices.map { sums[$0] / max(1, counts[$0 / width]) }
  }
}
