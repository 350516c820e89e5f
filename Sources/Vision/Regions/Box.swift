/// An axis-parallel box: on a picture in pixels, on a grid of patches in cells; right and bottom
/// are exclusive.
public struct Box: Hashable, Sendable {
  /// The left edge.
  public var left: Float
  /// The upper edge.
  public var top: Float
  /// The right edge.
  public var right: Float
  /// The lower edge.
  public var bottom: Float

  /// Makes a box from its edges.
  public init(left: Float, top: Float, right: Float, bottom: Float) {
    self.left = left
    self.top = top
    self.right = right
    self.bottom = bottom
  }

  /// The extent from left to right.
  public var width: Float { right - left }
  /// The extent from top to bottom.
  public var height: Float { bottom - top }

  /// The box of `factor` times the extents about the same centre, cut off at a picture's edges.
  public func enlarged(by factor: Float, width pictureWidth: Int, height pictureHeight: Int) -> Box
  {
    let (x, y) = ((left + right) / 2, (top + bottom) / 2)
    let (halfWidth, halfHeight) = (width * factor / 2, height * factor / 2)
    return Box(
      left: max(0, x - halfWidth), top: max(0, y - halfHeight),
      right: min(Float(pictureWidth), x + halfWidth),
      bottom: min(Float(pictureHeight), y + halfHeight))
  }
}

extension InputGeometry {
  /// A box on the picture as a box on the grid of patches.
  public func gridBox(_ box: Box) -> Box {
    let (x, y) = (Float(scaleX) / Float(patchSize), Float(scaleY) / Float(patchSize))
    return Box(
      left: box.left * x, top: box.top * y, right: box.right * x, bottom: box.bottom * y)
  }
}

extension Image {
  /// The part of the picture in a box whose edges are rounded to whole pixels, as Pillow's `crop`
  /// does; at least one pixel, and nothing beyond the picture.
  public func cropped(to box: Box) -> Image {
    func edges(_ low: Float, _ high: Float, _ extent: Int) -> Range<Int> {
      func pixel(_ edge: Float) -> Int {
        // Not a number counts as the beginning.
        edge > 0 ? Int(min(edge.rounded(.toNearestOrEven), Float(extent))) : 0
      }
      let start = min(pixel(low), extent - 1)
      return start..<max(start + 1, pixel(high))
    }
    let (columns, rows) = (edges(box.left, box.right, width), edges(box.top, box.bottom, height))
    var part: [UInt8] = []
    part.reserveCapacity(3 * columns.count * rows.count)
    for y in rows {
      part += pixels[3 * (y * width + columns.lowerBound)..<3 * (y * width + columns.upperBound)]
    }
    return Image(checkedWidth: columns.count, height: rows.count, pixels: part)
  }
}
