extension SegmentationMap {
  /// The colour that a label is drawn in.
  static func colour(of label: UInt16) -> Colour {
    label == unlabelled ? Palette.unlabelled : Palette.colour(Int(label))
  }

  /// The map alone, every pixel in its class's colour.
  ///
  /// With up to 255 classes an indexed picture whose indices are the labels, 255 standing for
  /// none; nil where there are more.
  public func indexedImage() -> IndexedImage? {
    guard areas.count < 256 else { return nil }
    let palette =
      Palette.colours(areas.count)
      + [Colour](repeating: Palette.unlabelled, count: 256 - areas.count)
    return IndexedImage(
      width: width, height: height, indices: labels.map { UInt8(min($0, 255)) }, palette: palette)
  }

  /// The picture under its labels' colours, regions parted by a thin light line.
  ///
  /// `opacity` is the colours' share, 0 to 1. The picture must have the map's extents; otherwise
  /// it is resized.
  public func overlay(on picture: Image, opacity: Float = 0.55) -> Image {
    var image =
      picture.width == width && picture.height == height
      ? picture : picture.resized(width: width, height: height)
    let colours = Palette.colours(areas.count)
    let opacity = max(0, min(1, opacity))
    let reach = max(1, min(width, height) / 700)
    let (width, height) = (self.width, self.height)
    image.pixels.withUnsafeMutableBufferPointer { pixels in
      nonisolated(unsafe) let pixels = pixels
      forEachBand(of: height, threads: 0) { rows in
        for y in rows {
          for x in 0..<width {
            let label = labels[y * width + x]
            let at = 3 * (y * width + x)
            let base = Colour(pixels[at], pixels[at + 1], pixels[at + 2])
            var colour = label == Self.unlabelled ? Palette.unlabelled : colours[Int(label)]
            var share = opacity
            if isBorder(x, y, label, reach) {
              colour = colour.mixed(with: Colour(255, 255, 255), share: 0.75)
              share = 0.85
            }
            let mixed = base.mixed(with: colour, share: share)
            pixels[at] = mixed.red
            pixels[at + 1] = mixed.green
            pixels[at + 2] = mixed.blue
          }
        }
      }
    }
    return image
  }

  /// Whether another region begins within `reach` pixels to the right or below.
  private func isBorder(_ x: Int, _ y: Int, _ label: UInt16, _ reach: Int) -> Bool {
    (x + reach < width && labels[y * width + x + reach] != label)
      || (y + reach < height && labels[(y + reach) * width + x] != label)
  }
}
