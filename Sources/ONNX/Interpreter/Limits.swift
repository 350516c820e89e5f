import Model
import Synchronization

/// The most extents of a tensor, NumPy's limit.
let largestRank = 64

/// The product of extents; nil where one is negative, where the product exceeds `limit`, or where
/// it is 0 and the product of the others exceeds `limit`, so that strides never overflow.
func elementCount(_ shape: [Int], upTo limit: Int) -> Int? {
  var (count, isEmpty) = (1, false)
  for extent in shape {
    guard extent >= 0 else { return nil }
    if extent == 0 {
      isEmpty = true
      continue
    }
    let (product, overflow) = count.multipliedReportingOverflow(by: extent)
    guard !overflow, product <= limit else { return nil }
    count = product
  }
  return isEmpty ? 0 : count
}

/// What one node may take in memory for its results and for whatever it needs on the way.
final class Allowance {
  private(set) var left: Int

  init(_ bytes: Int) { left = max(0, bytes) }

  /// Takes `count` times `bytes`; false where that is too much.
  func take(_ count: Int, bytes: Int) -> Bool {
    let (amount, overflow) = count.multipliedReportingOverflow(by: bytes)
    guard !overflow, amount >= 0, amount <= left else { return false }
    left -= amount
    return true
  }
}

/// How much an interpreter may compute, in proportion to the size of the model's files: weights are
/// used once for every token, so the work of a model that does anything sensible is proportional
/// to their number, and a small file cannot ask for hours.
final class WorkLimit: Sendable {
  private let left: Atomic<Int>

  /// Steps of about a nanosecond, for a file of `fileSize` bytes: half a second, and 512 for each
  /// byte. A float of four bytes that is used for 4096 tokens of a picture takes about as many.
  init(fileSize: Int) {
    left = Atomic(min(fileSize, 1 << 50) * 512 + 1 << 29)
  }

  /// Uses up `count` times `each` steps; false once there are none left.
  func spend(_ count: Int, each: Int = 1) -> Bool {
    let (amount, overflow) = count.multipliedReportingOverflow(by: each)
    guard !overflow, amount >= 0, amount <= left.load(ordering: .relaxed) else { return false }
    return left.subtract(amount, ordering: .relaxed).newValue >= 0
  }
}
