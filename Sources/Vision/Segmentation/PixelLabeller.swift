import Synchronization

/// Labels pixels row by row from the logits of patches.
struct PixelLabeller: Sendable {
  private typealias Block = ClassLogits.Block

  private let logits: ClassLogits
  private let classes: Int
  private let threshold: Float
  private let background: Int?
  private let width: Int
  private let height: Int
  /// Where the columns and rows of the picture lie between patches.
  private let horizontal: [Position]
  private let vertical: [Position]

  init(
    logits: ClassLogits, classes: Int, geometry: InputGeometry, options: SegmentationMap.Options
  ) {
    self.logits = logits
    self.classes = classes
    threshold = options.threshold
    background = options.background
    width = geometry.pictureWidth
    height = geometry.pictureHeight
    let patch = Double(geometry.patchSize)
    horizontal = (0..<width).map {
      Position((Double($0) + 0.5) * geometry.scaleX / patch - 0.5, count: logits.columns)
    }
    vertical = (0..<height).map {
      Position((Double($0) + 0.5) * geometry.scaleY / patch - 0.5, count: logits.rows)
    }
  }

  /// A point between the centres of two neighbouring patches.
  private struct Position {
    let lower: Int
    let upper: Int
    /// The share of the upper one, 0 to 1.
    let share: Float

    init(_ coordinate: Double, count: Int) {
      let clamped = min(max(coordinate, 0), Double(count - 1))
      lower = Int(clamped)
      upper = min(lower + 1, count - 1)
      share = Float(clamped - Double(lower))
    }
  }

  /// Sums of one class over pixels; integers, so that the order of threads does not show.
  private struct Tally {
    var pixels = 0
    /// Probabilities in units of `1 / unit`.
    var confidence: UInt64 = 0

    static let unit: Float = 16_777_216
  }

  /// Every pixel's label and every class's area.
  func label(threads: Int) -> ([UInt16], [SegmentationMap.ClassArea]) {
    let totals = Mutex([Tally](repeating: Tally(), count: classes))
    let labels = [UInt16](unsafeUninitializedCapacity: width * height) { labels, initialized in
      nonisolated(unsafe) let labels = labels
      forEachBand(of: height, threads: threads) { rows in
        let tallies = label(rows, into: labels)
        totals.withLock { totals in
          for index in tallies.indices {
            totals[index].pixels += tallies[index].pixels
            totals[index].confidence += tallies[index].confidence
          }
        }
      }
      initialized = width * height
    }
    let areas = totals.withLock { $0 }.map { tally in
      SegmentationMap.ClassArea(
        pixels: tally.pixels, share: Double(tally.pixels) / Double(width * height),
        meanConfidence: tally.pixels == 0
          ? 0 : Double(tally.confidence) / Double(Tally.unit) / Double(tally.pixels))
    }
    return (labels, areas)
  }

  private func label(
    _ rows: Range<Int>, into labels: UnsafeMutableBufferPointer<UInt16>
  ) -> [Tally] {
    var tallies = [Tally](repeating: Tally(), count: classes)
    let rowBlocks = logits.columns * logits.blocks
    var row = [Block](repeating: .zero, count: rowBlocks)
    var pixel = [Block](repeating: .zero, count: logits.blocks)
    row.withUnsafeMutableBufferPointer { row in
      pixel.withUnsafeMutableBufferPointer { pixel in
        for y in rows {
          mixRow(at: vertical[y], into: row)
          for x in 0..<width {
            let (label, probability) = classify(horizontal[x], row, pixel)
            labels[y * width + x] = label
            if Int(label) < classes {
              tallies[Int(label)].pixels += 1
              tallies[Int(label)].confidence += UInt64(probability * Tally.unit)
            }
          }
        }
      }
    }
    return tallies
  }

  /// Interpolates between two rows of patches.
  private func mixRow(at position: Position, into row: UnsafeMutableBufferPointer<Block>) {
    logits.values.withUnsafeBufferPointer { values in
      let lower = position.lower * row.count
      let upper = position.upper * row.count
      for index in row.indices {
        let value = values[lower + index]
        row[index] = value + position.share * (values[upper + index] - value)
      }
    }
  }

  /// The label at a position of an interpolated row and its probability; `pixel` is room for the
  /// logits of one pixel.
  @inline(__always)
  private func classify(
    _ position: Position, _ row: UnsafeMutableBufferPointer<Block>,
    _ pixel: UnsafeMutableBufferPointer<Block>
  ) -> (UInt16, Float) {
    let blocks = pixel.count
    let (lower, upper) = (position.lower * blocks, position.upper * blocks)
    var best = Block(repeating: -.infinity)
    var bestBlock = SIMD8<Int32>.zero
    for block in 0..<blocks {
      let value = row[lower + block]
      let mixed = value + position.share * (row[upper + block] - value)
      pixel[block] = mixed
      let isBetter = mixed .> best
      best.replace(with: mixed, where: isBetter)
      bestBlock.replace(with: Int32(block), where: isBetter)
    }
    let maximum = best.max()
    var label = Int32.max
    for lane in 0..<8 where best[lane] == maximum {
      label = min(label, bestBlock[lane] * 8 + Int32(lane))
    }
    // Features that are not numbers compare with nothing; they belong to no class.
    guard Int(label) < classes else { return (background.map(UInt16.init) ?? .max, 0) }
    var sum = Block.zero
    for block in 0..<blocks { sum += exponential(pixel[block] - maximum) }
    // Every padded lane adds exp(-87), far below a float's last digit.
    let total = sum.sum()
    if 1 / total >= threshold { return (UInt16(label), 1 / total) }
    guard let background else { return (SegmentationMap.unlabelled, 0) }
    let own = exponential(pixel[background / 8] - maximum)[background % 8]
    return (UInt16(background), own / total)
  }
}
