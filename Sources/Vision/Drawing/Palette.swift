import Glibc

/// Colours that tell classes apart: the same for the same class number in every picture.
public enum Palette {
  /// The colour of a class.
  ///
  /// The first are picked by hand, strong and far apart; further ones walk round the hues by the
  /// golden angle, through three lightnesses and two strengths, in the OKLCH space, where equal
  /// steps look about equal (Ottosson, "A perceptual color space for image processing", 2020),
  /// past those that look like an earlier one. After 256 classes colours repeat.
  public static func colour(_ index: Int) -> Colour { table[max(0, index) % table.count] }

  /// The colours of the first `count` classes.
  public static func colours(_ count: Int) -> [Colour] { (0..<max(0, count)).map(colour) }

  /// Pixels without a class.
  public static let unlabelled = Colour(hex: 0x6b7280)

  private static let table: [Colour] = {
    var colours = picked
    var step = 0
    while colours.count < 256 {
      var best = (colour: unlabelled, distance: -1)
      // A few steps find a colour that stands out; when none is left, the one that does most.
      for _ in 0..<24 where best.distance < 36 {
        let candidate = walked(step)
        let distance = colours.lazy.map { candidate.distance(to: $0) }.min() ?? .max
        if distance > best.distance { best = (candidate, distance) }
        step += 1
      }
      colours.append(best.colour)
    }
    return colours
  }()

  private static func walked(_ step: Int) -> Colour {
    let hue = (Double(step) * 137.507_764 + 20).truncatingRemainder(dividingBy: 360)
    let lightness = [0.68, 0.52, 0.82, 0.4, 0.75, 0.6][step % 6]
    let chroma = [0.15, 0.09][step / 6 % 2]
    return Colour(lightness: lightness, chroma: chroma, hue: hue)
  }

  private static let picked: [Colour] = [
    0x3b82f6, 0xf97316, 0x22c55e, 0xef4444, 0xa855f7, 0xfacc15, 0x14b8a6, 0xec4899, 0x8b5a2b,
    0x84cc16, 0x1e3a8a, 0x67e8f9, 0x7f1d1d, 0xfda4af, 0x065f46, 0xc4b5fd, 0xd97706, 0x701a75,
    0xbef264, 0x475569,
  ].map { Colour(hex: $0) }
}

extension Colour {
  /// The sum of the channels' differences, 0 to 765.
  fileprivate func distance(to other: Colour) -> Int {
    abs(Int(red) - Int(other.red)) + abs(Int(green) - Int(other.green))
      + abs(Int(blue) - Int(other.blue))
  }

  /// A colour of the OKLCH space, brought into sRGB by cutting off what lies outside.
  fileprivate init(lightness: Double, chroma: Double, hue: Double) {
    let a = chroma * cos(hue * .pi / 180)
    let b = chroma * sin(hue * .pi / 180)
    func cube(_ x: Double) -> Double { x * x * x }
    let l = cube(lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b)
    let m = cube(lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b)
    let s = cube(lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b)
    func encoded(_ linear: Double) -> UInt8 {
      let x = max(0, min(1, linear))
      let value = x <= 0.003_130_8 ? 12.92 * x : 1.055 * pow(x, 1 / 2.4) - 0.055
      return UInt8(value * 255 + 0.5)
    }
    self.init(
      encoded(4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s),
      encoded(-1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s),
      encoded(-0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s))
  }
}
