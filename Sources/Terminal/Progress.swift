import Glibc

/// A line on stderr that says how far a list of inputs is done; quiet when nobody reads it.
public struct Progress {
  private let total: Int
  private var done = 0
  private let isVisible: Bool

  /// Starts a count of `total` inputs; shown for more than one on a terminal.
  public init(total: Int) {
    self.total = total
    isVisible = total > 1 && Terminal.isInteractive
  }

  /// Says which input is being worked on.
  public mutating func begin(_ name: String) {
    done += 1
    // Carriage return and "erase to the end of the line" keep the count on one line.
    if isVisible { Terminal.write("\r\u{1b}[K[\(done)/\(total)] \(name)") }
  }

  /// Clears the line.
  public func end() {
    if isVisible { Terminal.write("\r\u{1b}[K") }
  }
}
