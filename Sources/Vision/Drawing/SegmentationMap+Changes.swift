extension SegmentationMap {
  /// A pale picture on which the pixels whose label differs from that in another map are red, and
  /// blocks around them yellow to orange by how many there are: single pixels are not overlooked.
  ///
  /// The picture is resized where it has other extents than the map. Nil where the maps' extents
  /// differ.
  public func changes(from other: SegmentationMap, on picture: Image) -> Image? {
    guard width == other.width, height == other.height else { return nil }
    var image =
      picture.width == width && picture.height == height
      ? picture : picture.resized(width: width, height: height)
    let block = max(4, max(width, height) / 56)
    for top in stride(from: 0, to: height, by: block) {
      for left in stride(from: 0, to: width, by: block) {
        let (rows, columns) = (top..<min(top + block, height), left..<min(left + block, width))
        var changed = 0
        for y in rows {
          for x in columns where labels[y * width + x] != other.labels[y * width + x] {
            changed += 1
          }
        }
        let share = Float(changed) / Float(rows.count * columns.count)
        for y in rows {
          for x in columns {
            let differs = labels[y * width + x] != other.labels[y * width + x]
            image[x, y] = Self.colour(of: image[x, y], share: share, differs: differs)
          }
        }
      }
    }
    return image
  }

  private static func colour(of pixel: Colour, share: Float, differs: Bool) -> Colour {
    if differs { return Colour(hex: 0xdc2626) }
    // Luminance by ITU-R BT.601, half of it white.
    let sum: Int = 299 * Int(pixel.red) + 587 * Int(pixel.green) + 114 * Int(pixel.blue)
    let grey = UInt8(sum / 1000)
    let pale = Colour(grey, grey, grey).mixed(with: Colour(255, 255, 255), share: 0.5)
    guard share > 0 else { return pale }
    let heat = Colour(hex: 0xfde047).mixed(with: Colour(hex: 0xf97316), share: min(1, 4 * share))
    return pale.mixed(with: heat, share: 0.75)
  }
}

extension Colour {
  /// The colour as web pages write it, `#rrggbb`.
  public var webText: String {
    "#"
      + [red, green, blue].map { component in
        let digits = String(component, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
      }.joined()
  }
}
