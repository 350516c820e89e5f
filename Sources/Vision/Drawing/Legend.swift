/// A panel that says what the colours of a map stand for.
struct Legend {
  /// One line: a colour, a name, and a share such as `12.3 %`.
  struct Entry {
    var colour: Colour
    var name: String
    var share: String
  }

  private let entries: [Entry]
  /// The height of capitals.
  private let size: Float
  private let nameWidth: Int
  private let shareWidth: Int

  private static let background = Colour(hex: 0x16181d)
  private static let text = Colour(hex: 0xf3f4f6)
  private static let dimmed = Colour(hex: 0x9ca3af)

  /// A legend with capitals of `size` pixels; names wider than `maximumNameWidth` are cut.
  init(_ entries: [Entry], size: Float, maximumNameWidth: Int) {
    self.size = size
    self.entries = entries.map { entry in
      var entry = entry
      entry.name = Legend.cut(entry.name, size, maximumNameWidth)
      return entry
    }
    nameWidth = self.entries.map { Image.width(of: $0.name, size: size) }.max() ?? 0
    shareWidth = entries.map { Image.width(of: $0.share, size: size) }.max() ?? 0
  }

  /// Room around the text.
  private var margin: Int { Int(size * 1.4) }
  /// From one line to the next.
  private var lineHeight: Int { Int(size * 2.2) }
  private var swatch: Int { Int(size * 1.35) }
  /// The extent of one column of lines.
  var columnWidth: Int { 2 * margin + swatch + margin / 2 + nameWidth + margin + shareWidth }
  /// The rows that `count` lines take.
  func height(lines count: Int) -> Int { 2 * margin + lineHeight * count - lineHeight / 3 }
  /// How many lines fit into `height` rows, at least 1.
  func lines(in height: Int) -> Int {
    max(1, (height - 2 * margin + lineHeight / 3) / lineHeight)
  }

  /// The legend in columns of `lines` lines, as far as `width` and `height` reach.
  func image(width: Int, height: Int, lines: Int) -> Image {
    var image = Image(width: width, height: height, filledWith: Legend.background)
    for (index, entry) in entries.enumerated() {
      let left = index / lines * columnWidth + margin
      let baseline = margin + index % lines * lineHeight + Int(size * 1.2)
      image.fill(
        left: left, top: baseline - (swatch + Int(size)) / 2, width: swatch, height: swatch,
        entry.colour)
      image.draw(
        entry.name, left: left + swatch + margin / 2, baseline: baseline, size: size,
        colour: Legend.text)
      let right = left + columnWidth - 2 * margin
      image.draw(
        entry.share, left: right - Image.width(of: entry.share, size: size), baseline: baseline,
        size: size, colour: Legend.dimmed)
    }
    return image
  }

  /// A name that ends in dots where it is too wide.
  private static func cut(_ name: String, _ size: Float, _ limit: Int) -> String {
    if Image.width(of: name, size: size) <= limit { return name }
    var start = Substring(name.prefix(200))
    while !start.isEmpty, Image.width(of: start + "...", size: size) > limit { start.removeLast() }
    return start + "..."
  }
}

extension SegmentationMap {
  /// The overlay with a legend of the classes that occur, the largest first, beside the picture
  /// where it fits there in one column, below it in columns otherwise.
  ///
  /// `names` holds one name a class; `opacity` is the colours' share, 0 to 1.
  public func drawing(on picture: Image, names: [String], opacity: Float = 0.55) -> Image {
    let overlay = overlay(on: picture, opacity: opacity)
    let size = max(9, min(48, Float(min(width, height)) / 42))
    let legend = Legend(legendEntries(names), size: size, maximumNameWidth: Int(size * 18))
    let count = max(1, legendEntries(names).count)
    if legend.height(lines: count) <= height {
      let panel = legend.image(width: legend.columnWidth, height: height, lines: count)
      return overlay.beside(panel)
    }
    let columns = max(1, width / legend.columnWidth)
    let lines = (count + columns - 1) / columns
    let panel = legend.image(
      width: max(width, legend.columnWidth), height: legend.height(lines: lines), lines: lines)
    return overlay.above(panel)
  }

  private func legendEntries(_ names: [String]) -> [Legend.Entry] {
    var entries = classesByArea.map { index in
      Legend.Entry(
        colour: Palette.colour(index), name: index < names.count ? names[index] : "\(index)",
        share: Legend.percent(areas[index].share))
    }
    let rest = labels.count - areas.reduce(0) { $0 + $1.pixels }
    if rest > 0 {
      entries.append(
        Legend.Entry(
          colour: Palette.unlabelled, name: "(no class)",
          share: Legend.percent(Double(rest) / Double(labels.count))))
    }
    return entries
  }
}

extension Legend {
  /// A share with one decimal, such as `12.3 %`.
  static func percent(_ share: Double) -> String {
    let tenths = Int((share * 1000).rounded())
    return tenths == 0 && share > 0 ? "<0.1 %" : "\(tenths / 10).\(tenths % 10) %"
  }
}

extension Image {
  /// This picture with another of the same height at its right.
  fileprivate func beside(_ other: Image) -> Image {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(self.pixels.count + other.pixels.count)
    for y in 0..<min(height, other.height) {
      pixels += self.pixels[(3 * width * y)..<(3 * width * (y + 1))]
      pixels += other.pixels[(3 * other.width * y)..<(3 * other.width * (y + 1))]
    }
    return Image(
      checkedWidth: width + other.width, height: min(height, other.height), pixels: pixels)
  }

  /// This picture with another, at least as wide, below it.
  fileprivate func above(_ other: Image) -> Image {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(3 * other.width * (height + other.height))
    let margin = [UInt8](repeating: 0, count: 3 * (other.width - width))
    for y in 0..<height {
      pixels += self.pixels[(3 * width * y)..<(3 * width * (y + 1))]
      pixels += margin
    }
    pixels += other.pixels
    return Image(checkedWidth: other.width, height: height + other.height, pixels: pixels)
  }
}
