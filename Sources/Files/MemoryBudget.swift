import Model
import Synchronization

/// What may be kept in memory while a foreign file is read: twice the file and 48 MB.
///
/// Whoever keeps something whose amount the file decides takes its bytes from here first, at what
/// they cost in the worst case, table growth included. So a few bytes that lie about sizes, or a
/// file of nothing but tiny values, cannot ask for memory out of proportion. Views of the mapped
/// file cost nothing. What does not depend on the file (tables of the program, an error's text)
/// is not counted; it has the rest of 64 MB.
public final class MemoryBudget: Sendable {
  // A class, because readers of the parts of one file share it.
  private let left: Atomic<Int>

  /// What any file may take, however small it is.
  public static let base = 48 << 20

  /// The budget of a file of `fileSize` bytes.
  public init(fileSize: Int) {
    left = Atomic(Self.base.addingClamped(Self.share(of: fileSize)))
  }

  /// The bytes that may still be taken.
  public var remaining: Int { max(0, left.load(ordering: .relaxed)) }

  /// Adds what a further file of `fileSize` bytes allows, such as external data.
  public func grow(fileSize: Int) {
    var known = left.load(ordering: .relaxed)
    while true {
      let (isDone, found) = left.compareExchange(
        expected: known, desired: known.addingClamped(Self.share(of: fileSize)),
        ordering: .relaxed)
      if isDone { return }
      known = found
    }
  }

  /// Takes `count` times `bytes`; throws `badData` naming `place` where that is too much.
  public func take(
    _ count: Int, bytes: Int = 1, place: @autoclosure () -> String? = nil
  ) throws(DeclipError) {
    let (amount, overflow) = count.multipliedReportingOverflow(by: bytes)
    guard !overflow, amount >= 0, amount <= remaining else {
      throw DeclipError(
        .badData, "asks for more memory than a file of its size needs", place: place(),
        expected: "at most twice the file and 48 MB",
        remedy: "the file is damaged, or made to exhaust memory")
    }
    left.subtract(amount, ordering: .relaxed)
  }

  private static func share(of fileSize: Int) -> Int {
    fileSize.multipliedReportingOverflow(by: 2).overflow ? .max : 2 * max(0, fileSize)
  }
}

extension Int {
  /// The sum, or the largest number where it is larger still; both are 0 or more.
  fileprivate func addingClamped(_ other: Int) -> Int {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
