/// The pictures that the golden numbers were computed for; `Tests/Goldens/README.md` has the
/// formula and check values.
enum GoldenPicture {
  /// Normalised pixels `[3, height, width]`.
  static func pixels(height: Int, width: Int, seed: UInt32) -> [Float] {
    var pixels: [Float] = []
    pixels.reserveCapacity(3 * height * width)
    for c in 0..<UInt32(3) {
      for y in 0..<UInt32(height) {
        for x in 0..<UInt32(width) {
          let coarse = mix(c, y / 20, x / 20, 3 &* seed) & 255
          let middle = mix(c, y / 3, x / 3, 3 &* seed &+ 1) & 127
          let fine = mix(c, y, x, 3 &* seed &+ 2) & 127
          pixels.append(Float(Int(coarse + middle + fine) - 256) / 128)
        }
      }
    }
    return pixels
  }

  static func mix(_ c: UInt32, _ y: UInt32, _ x: UInt32, _ seed: UInt32) -> UInt32 {
    var h = c &* 0x9e37_79b1
    h = h &+ y &* 0x85eb_ca77
    h = h &+ x &* 0xc2b2_ae3d
    h = h &+ seed &* 0x27d4_eb2f
    h ^= h >> 15
    h = h &* 0x2c1b_3c6d
    h ^= h >> 12
    h = h &* 0x297a_2d39
    h ^= h >> 15
    return h
  }
}
