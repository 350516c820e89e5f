/// `exp` of eight numbers of at most 0; relative error below 3e-7, numbers below -87 count as -87.
///
/// `exp(x) = 2^n * exp(r)` with `n = round(x / ln 2)` and `|r| <= ln 2 / 2`, where a polynomial
/// of degree 6 (Taylor's) is exact enough.
@inline(__always)
func exponential(_ x: SIMD8<Float>) -> SIMD8<Float> {
  let x = x.replacing(with: -87, where: x .< -87)
  // Adding 1.5 * 2^23 leaves the rounded number in the low bits of the significand.
  let shifter: Float = 12_582_912
  let shifted = x * 1.442_695_04 + shifter
  let n = shifted - shifter
  let r = x - n * 0.693_359_375 + n * 2.121_944_4e-4
  var p = r * (1 / 720) + (1 / 120)
  p = p * r + (1 / 24)
  p = p * r + (1 / 6)
  p = p * r + 0.5
  p = p * r + 1
  p = p * r + 1
  let exponent = unsafeBitCast(shifted, to: SIMD8<Int32>.self) &- (0x4b40_0000 - 127)
  return p * unsafeBitCast(exponent &<< 23, to: SIMD8<Float>.self)
}
