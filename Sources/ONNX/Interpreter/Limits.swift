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

/// How much an interpreter may compute over all its runs, in proportion to the size of the model's
/// files, so that a small file cannot ask for hours.
///
/// What an honest vision transformer takes, in steps: a product's multiplication and addition are a
/// sixteenth of one, an element that a node reads or writes one to four. Weights of `F` bytes in
/// float32, used once for each of `T` tokens, take `F / 4 * T / 16` in a run, 95 a byte for the
/// 6,100 tokens of 1,100 px and patches of 14. Recognition compares tokens with tokens about 35 times
/// in each of `L` blocks of `H` heads, 15 steps for each of `H * T * T` scores: `525 * L * H * T * T`.
/// Scores and what follows them, 8 bytes for each, have to fit the memory, `2 * F` and 48 MB, so
/// that `H * T * T` is at most `F / 4` and 6 million: 1,600 steps a byte for 12 blocks, 3,200 for 24,
/// 5,300 for 40. Twice 4096 steps a byte is therefore more than any graph takes that memory admits.
final class WorkLimit: Sendable {
  private let left: Atomic<Int>

  /// Steps of about a nanosecond for a file of `fileSize` bytes: half a second, and for each byte
  /// 512 in small files, 8192 from 30 MB on.
  init(fileSize: Int) {
    let size = min(fileSize, 1 << 40)
    left = Atomic(size * min(8192, 512 + size >> 12) + 1 << 29)
  }

  /// Uses up `count` times `each` steps; false once there are none left.
  func spend(_ count: Int, each: Int = 1) -> Bool {
    let (amount, overflow) = count.multipliedReportingOverflow(by: each)
    guard !overflow, amount >= 0, amount <= left.load(ordering: .relaxed) else { return false }
    return left.subtract(amount, ordering: .relaxed).newValue >= 0
  }
}
