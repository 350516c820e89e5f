import Glibc

extension Image {
  /// The picture at another size by antialiased bicubic interpolation, bit for bit as Pillow's
  /// `resize(..., BICUBIC)`: cubic coefficient -0.5, a support that widens when shrinking, a
  /// horizontal and then a vertical pass, each rounded to 8 bits from 22-bit fixed point.
  ///
  /// Extents are raised to at least 1. `threads` bounds the threads used, 0 for one a processor.
  public func resized(width: Int, height: Int, threads: Int = 0) -> Image {
    let (width, height) = (max(1, width), max(1, height))
    var image = self
    if width != image.width {
      image = image.widthResized(ResizeFilter(from: image.width, to: width), threads: threads)
    }
    if height != image.height {
      image = image.heightResized(ResizeFilter(from: image.height, to: height), threads: threads)
    }
    return image
  }

  private func widthResized(_ filter: ResizeFilter, threads: Int) -> Image {
    let (width, height, sourceWidth) = (filter.count, height, self.width)
    let pixels = [UInt8](unsafeUninitializedCapacity: 3 * width * height) { target, initialized in
      nonisolated(unsafe) let target = target
      self.pixels.withUnsafeBufferPointer { source in
        nonisolated(unsafe) let source = source
        forEachBand(of: height, threads: threads) { rows in
          for y in rows {
            filter.shrinkRow(
              source[(3 * sourceWidth * y)..<(3 * sourceWidth * (y + 1))],
              into: target.extracting((3 * width * y)..<(3 * width * (y + 1))))
          }
        }
      }
      initialized = 3 * width * height
    }
    return Image(checkedWidth: width, height: height, pixels: pixels)
  }

  private func heightResized(_ filter: ResizeFilter, threads: Int) -> Image {
    let (row, height) = (3 * width, filter.count)
    let pixels = [UInt8](unsafeUninitializedCapacity: row * height) { target, initialized in
      nonisolated(unsafe) let target = target
      self.pixels.withUnsafeBufferPointer { source in
        nonisolated(unsafe) let source = source
        forEachBand(of: height, threads: threads) { rows in
          var sums = [Int32](repeating: 0, count: row)
          for y in rows {
            filter.mixRows(
              source, rowBytes: row, at: y, sums: &sums,
              into: target.extracting((row * y)..<(row * (y + 1))))
          }
        }
      }
      initialized = row * height
    }
    return Image(checkedWidth: width, height: height, pixels: pixels)
  }
}

/// For every target position, the source positions it is made of and their weights.
struct ResizeFilter: Sendable {
  /// Fixed-point bits of a weight: 32 less 8 for the sample and 2 for the overshoot.
  static let fractionBits = 32 - 8 - 2

  /// Target positions.
  let count: Int
  /// Weights a position, unused ones 0.
  private let stride: Int
  /// The first source position of each target position.
  private let starts: [Int]
  /// How many source positions each target position has.
  private let lengths: [Int]
  /// `[count, stride]` weights, which add to about `1 << fractionBits`.
  private let weights: [Int32]

  init(from source: Int, to target: Int) {
    let scale = Double(source) / Double(target)
    let widening = max(1, scale)
    let support = 2 * widening
    stride = Int(ceil(support)) * 2 + 1
    count = target
    var starts: [Int] = []
    var lengths: [Int] = []
    var weights = [Int32](repeating: 0, count: target * stride)
    var exact = [Double](repeating: 0, count: stride)
    for position in 0..<target {
      let centre = (Double(position) + 0.5) * scale
      let start = max(0, Int(centre - support + 0.5))
      let length = min(source, Int(centre + support + 0.5)) - start
      var sum = 0.0
      for tap in 0..<length {
        exact[tap] = ResizeFilter.cubic((Double(tap + start) - centre + 0.5) * (1 / widening))
        sum += exact[tap]
      }
      for tap in 0..<length {
        let weight = sum == 0 ? exact[tap] : exact[tap] / sum
        let scaled = weight * Double(1 << ResizeFilter.fractionBits)
        weights[position * stride + tap] = Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
      }
      starts.append(start)
      lengths.append(length)
    }
    self.starts = starts
    self.lengths = lengths
    self.weights = weights
  }

  /// Keys's cubic convolution kernel with a = -0.5.
  private static func cubic(_ x: Double) -> Double {
    let (a, x) = (-0.5, abs(x))
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
    return 0
  }

  private static func rounded(_ sum: Int32) -> UInt8 {
    UInt8(truncatingIfNeeded: max(0, min(255, sum >> Int32(fractionBits))))
  }

  /// Filters one row of RGB pixels along itself.
  func shrinkRow(
    _ source: Slice<UnsafeBufferPointer<UInt8>>, into target: UnsafeMutableBufferPointer<UInt8>
  ) {
    let source = UnsafeBufferPointer(rebasing: source)
    weights.withUnsafeBufferPointer { weights in
      for position in 0..<count {
        var red: Int32 = 1 << Int32(ResizeFilter.fractionBits - 1)
        var (green, blue) = (red, red)
        var at = 3 * starts[position]
        let first = position * stride
        for tap in first..<(first + lengths[position]) {
          let weight = weights[tap]
          red &+= Int32(source[at]) &* weight
          green &+= Int32(source[at &+ 1]) &* weight
          blue &+= Int32(source[at &+ 2]) &* weight
          at &+= 3
        }
        target[3 * position] = ResizeFilter.rounded(red)
        target[3 * position + 1] = ResizeFilter.rounded(green)
        target[3 * position + 2] = ResizeFilter.rounded(blue)
      }
    }
  }

  /// Mixes whole rows into the target row at `position`; `sums` is room for one row.
  func mixRows(
    _ source: UnsafeBufferPointer<UInt8>, rowBytes: Int, at position: Int, sums: inout [Int32],
    into target: UnsafeMutableBufferPointer<UInt8>
  ) {
    sums.withUnsafeMutableBufferPointer { sums in
      for x in 0..<rowBytes { sums[x] = 1 << Int32(ResizeFilter.fractionBits - 1) }
      for tap in 0..<lengths[position] {
        let weight = weights[position * stride + tap]
        let row = UnsafeBufferPointer(
          rebasing: source[((starts[position] + tap) * rowBytes)...].prefix(rowBytes))
        for x in 0..<rowBytes { sums[x] &+= Int32(row[x]) &* weight }
      }
      for x in 0..<rowBytes { target[x] = ResizeFilter.rounded(sums[x]) }
    }
  }
}
