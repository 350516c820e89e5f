/// Functions of doubles whose bits are the same on every machine: sums, products and quotients alone, in
/// one order, where the system's own may differ in the last bit from one library or processor to another.
enum ExactMath {
  /// The natural exponential for magnitudes up to 700; relative error 1e-15.
  static func exp(_ x: Double) -> Double {
    let n = (x * 1.442_695_040_888_963_4).rounded(.toNearestOrEven)
    // Cody and Waite's split of ln 2: the first product is exact.
    let r = x - n * 0.693_147_180_369_123_8 - n * 1.908_214_929_270_587_7e-10
    var sum = 1.0
    for i in stride(from: 18.0, to: 0, by: -1) { sum = sum * r / i + 1 }
    return sum * Double(sign: .plus, exponent: Int(n), significand: 1)
  }

  /// The natural logarithm of a positive normal number; relative error 1e-15 away from 1.
  static func log(_ x: Double) -> Double {
    var (exponent, significand) = (Double(x.exponent), x.significand)
    if significand > 1.414_213_562_373_095 {
      (exponent, significand) = (exponent + 1, significand / 2)
    }
    // log((1 + s) / (1 - s)) = 2 (s + s^3 / 3 + s^5 / 5 + ...)
    let s = (significand - 1) / (significand + 1)
    let square = s * s
    var sum = 0.0
    for i in stride(from: 33.0, to: 0, by: -2) { sum = sum * square + 1 / i }
    return exponent * 0.693_147_180_559_945_3 + 2 * s * sum
  }

  /// Cosine and sine of magnitudes up to 10,000; absolute error 1e-15 near 0, 1e-12 at the end.
  static func cosineAndSine(_ x: Double) -> (cosine: Double, sine: Double) {
    let quarters = (x * 0.636_619_772_367_581_4).rounded(.toNearestOrEven)
    // pi / 2 in two parts, the first product being exact.
    let r = x - quarters * 1.570_796_326_734_125_6 - quarters * 6.077_100_506_506_192e-11
    let square = r * r
    var (cosine, sine) = (1.0, 1.0)
    for i in stride(from: 22.0, to: 0, by: -2) {
      cosine = 1 - cosine * square / (i * (i - 1))
      sine = 1 - sine * square / (i * (i + 1))
    }
    sine *= r
    return switch Int(quarters) & 3 {
    case 0: (cosine, sine)
    case 1: (-sine, cosine)
    case 2: (-cosine, -sine)
    default: (sine, -cosine)
    }
  }
}
