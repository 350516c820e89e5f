@_spi(_Unicode) import Swift

extension Image {
  /// The columns that a text takes, in pixels; `size` is the height of capitals.
  public static func width(of text: String, size: Float) -> Int {
    Int(TextLayout(text, size: size).width.rounded(.up))
  }

  /// Writes a line of text, its left edge and the baseline at the given position.
  ///
  /// Accents are dropped; characters beyond ASCII that have no ASCII letter in them appear as
  /// boxes. `size` is the height of capitals in pixels. What lies outside is cut off.
  public mutating func draw(
    _ text: String, left: Int, baseline: Int, size: Float, colour: Colour
  ) {
    let layout = TextLayout(text, size: size)
    for (glyph, x) in layout.glyphs {
      draw(
        glyph, at: SIMD2(Float(left) + x, Float(baseline) - StrokeFont.baseline * layout.scale),
        scale: layout.scale, pen: layout.pen, colour)
    }
  }

  /// Draws a glyph: every pixel is covered as far as the nearest stroke's pen reaches into it.
  private mutating func draw(
    _ glyph: StrokeFont.Glyph, at origin: SIMD2<Float>, scale: Float, pen: Float, _ colour: Colour
  ) {
    let margin = pen + 1
    let left = max(0, Int((origin.x - margin).rounded(.down)))
    let right = min(width, Int((origin.x + glyph.width * scale + margin).rounded(.up)))
    let top = max(0, Int((origin.y - margin).rounded(.down)))
    let bottom = min(
      height, Int((origin.y + (StrokeFont.bottom + 1) * scale + margin).rounded(.up)))
    guard left < right, top < bottom else { return }
    for y in top..<bottom {
      for x in left..<right {
        let centre = SIMD2(Float(x) + 0.5, Float(y) + 0.5) - origin
        var coverage: Float = 0
        for line in glyph.lines {
          let distance = line.distance(to: centre, scale: scale)
          coverage = max(coverage, pen / 2 * line.weight + 0.5 - distance)
        }
        if coverage > 0 {
          self[x, y] = self[x, y].mixed(with: colour, share: min(1, coverage))
        }
      }
    }
  }

  /// Fills a rectangle, as far as it lies inside.
  mutating func fill(left: Int, top: Int, width: Int, height: Int, _ colour: Colour) {
    for y in max(0, top)..<max(0, min(self.height, top + height)) where left < self.width {
      for x in max(0, left)..<max(max(0, left), min(self.width, left + width)) {
        self[x, y] = colour
      }
    }
  }
}

/// A line of text as glyphs with their places.
private struct TextLayout {
  /// Pixels a grid unit.
  let scale: Float
  /// The pen's width in pixels.
  let pen: Float
  let glyphs: [(StrokeFont.Glyph, x: Float)]
  let width: Float

  init(_ text: String, size: Float) {
    scale = size / (StrokeFont.baseline - StrokeFont.top)
    pen = max(1.1, 1.7 * scale)
    var glyphs: [(StrokeFont.Glyph, x: Float)] = []
    var x = pen / 2
    for scalar in TextLayout.ascii(text) {
      if scalar == " " {
        x += StrokeFont.spaceWidth * scale
        continue
      }
      let glyph = StrokeFont.glyph(for: scalar)
      glyphs.append((glyph, x))
      x += (glyph.width + StrokeFont.spacing) * scale
    }
    self.glyphs = glyphs
    width = glyphs.isEmpty ? 0 : x - StrokeFont.spacing * scale + pen / 2
  }

  /// The text in the characters that the font has, as far as that is possible.
  private static func ascii(_ text: String) -> [Unicode.Scalar] {
    let letters: [Unicode.Scalar: String] = [
      "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O",
      "đ": "d", "Đ": "D", "ł": "l", "Ł": "L", "ı": "i", "þ": "th", "Þ": "Th", "–": "-",
      "—": "-", "‘": "'", "’": "'", "“": "\"", "”": "\"", "…": "...",
    ]
    return text._nfd.flatMap { scalar -> [Unicode.Scalar] in
      if scalar.isASCII { return TextCleaning.isSpace(scalar) ? [" "] : [scalar] }
      if let letters = letters[scalar] { return Array(letters.unicodeScalars) }
      switch scalar.properties.generalCategory {
      case .nonspacingMark, .enclosingMark, .format: return []
      case .spaceSeparator: return [" "]
      default: return [scalar]
      }
    }
  }
}

extension StrokeFont.Glyph.Line {
  /// The distance of a point from the line, both in pixels from the glyph's origin.
  fileprivate func distance(to point: SIMD2<Float>, scale: Float) -> Float {
    let start = from * scale
    let direction = to * scale - start
    let offset = point - start
    let length = (direction * direction).sum()
    let share = length == 0 ? 0 : max(0, min(1, (offset * direction).sum() / length))
    let rest = offset - direction * share
    return (rest * rest).sum().squareRoot()
  }
}
