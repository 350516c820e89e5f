/// A tensor as it lies in a file: element type, shape and row-major little-endian bytes.
public struct Tensor: Sendable {
  /// The element type.
  public let dataType: DataType
  /// The extents, outermost first; empty for a scalar.
  public let shape: [Int]
  /// `elementCount * dataType.byteWidth` bytes, row-major, little-endian.
  public let bytes: ByteView

  /// A tensor over `bytes`; nil where their number is not what type and shape require.
  public init?(dataType: DataType, shape: [Int], bytes: ByteView) {
    guard let count = Tensor.byteCount(of: shape, dataType), count == bytes.count else {
      return nil
    }
    self.dataType = dataType
    self.shape = shape
    self.bytes = bytes
  }

  /// The number of elements.
  public var elementCount: Int { bytes.count / dataType.byteWidth }

  /// The number of bytes a tensor takes; nil for a negative extent or on overflow.
  public static func byteCount(of shape: [Int], _ dataType: DataType) -> Int? {
    var count = dataType.byteWidth
    for extent in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !overflow else { return nil }
      count = product
    }
    return count
  }

  /// The same elements under another shape of equal size; nil where the sizes differ.
  public func reshaped(_ shape: [Int]) -> Tensor? {
    Tensor(dataType: dataType, shape: shape, bytes: bytes)
  }

  /// Rows `range` of the outermost extent, without a copy; nil where they are not all there.
  public func rows(_ range: Range<Int>) -> Tensor? {
    guard let extent = shape.first, extent > 0, range.lowerBound >= 0, range.upperBound <= extent
    else { return nil }
    let row = bytes.count / extent
    guard
      let part = bytes.slice(
        offset: UInt64(range.lowerBound * row), length: UInt64(range.count * row))
    else { return nil }
    return Tensor(dataType: dataType, shape: [range.count] + shape.dropFirst(), bytes: part)
  }

  /// A copy of a matrix `[rows, columns]` as `[columns, rows]`, or of some of its columns; nil for
  /// any other rank and for columns that are not there.
  public func transposed(columns range: Range<Int>? = nil) -> Tensor? {
    guard shape.count == 2 else { return nil }
    let (rows, columns, width) = (shape[0], shape[1], dataType.byteWidth)
    let range = range ?? 0..<columns
    guard range.lowerBound >= 0, range.upperBound <= columns else { return nil }
    let copy = ByteView(count: rows * range.count * width) { target in
      bytes.withUnsafeBytes { source in
        for row in 0..<rows {
          for column in range {
            let from = (row * columns + column) * width
            let to = ((column - range.lowerBound) * rows + row) * width
            for byte in 0..<width { target[to + byte] = source[from + byte] }
          }
        }
      }
    }
    return Tensor(dataType: dataType, shape: [range.count, rows], bytes: copy)
  }
}
