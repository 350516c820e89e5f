/// Rows drawn from a stream, the same number from every picture: what the error of a quantised
/// layer is tried on.
public struct RowSample: Sendable {
  /// The number of channels.
  public let width: Int
  /// `[count, width]`.
  public private(set) var rows: [Float] = []
  private let perPicture: Int
  private let capacity: Int
  private var random: SplitMix64

  /// A sample of at most `capacity` rows from `pictures` pictures, drawn by `seed`.
  public init(width: Int, capacity: Int, pictures: Int, seed: UInt64) {
    self.width = width
    self.capacity = capacity
    perPicture = max(1, (capacity + pictures - 1) / max(pictures, 1))
    random = SplitMix64(seed: seed)
  }

  /// The number of rows.
  public var count: Int { width == 0 ? 0 : rows.count / width }

  /// Draws from one picture's rows, `[rows, width]`, each at most once.
  public mutating func add(_ picture: UnsafeBufferPointer<Float>) {
    guard width > 0 else { return }
    var left = picture.count / width
    var wanted = min(perPicture, left, capacity - count)
    var row = 0
    // Selection sampling (Knuth, The Art of Computer Programming 2, algorithm 3.4.2 S).
    while wanted > 0, left > 0 {
      if random.next(below: left) < wanted {
        rows += picture[row * width..<(row + 1) * width]
        wanted -= 1
      }
      left -= 1
      row += 1
    }
  }
}
