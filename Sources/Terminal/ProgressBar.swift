import Glibc

/// A bar on stderr with the time that is left; quiet when nobody reads it.
public struct ProgressBar {
  private let start = ContinuousClock.now
  private let isVisible: Bool

  /// Starts the clock.
  public init() { isVisible = Terminal.isInteractive }

  /// Shows that `done` of `total` steps are finished and `name` is being worked on.
  ///
  /// - Parameter resumed: those of `done` that were finished before the clock started.
  public func show(done: Int, resumed: Int, total: Int, name: String) {
    guard isVisible else { return }
    let left = Self.timeLeft(
      after: start.duration(to: .now), done: done - resumed, remaining: total - done)
    Terminal.write(
      "\r\u{1b}[K" + Self.line(done: done, total: total, name: name, left: left, columns: columns))
  }

  /// Clears the line.
  public func clear() {
    if isVisible { Terminal.write("\r\u{1b}[K") }
  }

  private var columns: Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// `[#####.....] 12/48, 1:23 left, NAME`, cut off at the terminal's last column but one.
  static func line(done: Int, total: Int, name: String, left: Duration?, columns: Int) -> String {
    let width = 20
    let filled = total > 0 ? min(width, width * done / total) : 0
    let bar =
      String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
    let time = left.map { ", \(text(of: $0)) left" } ?? ""
    return String("[\(bar)] \(done)/\(total)\(time), \(name)".prefix(max(1, columns - 1)))
  }

  /// What the remaining steps take at the speed so far; nil before the first is finished.
  static func timeLeft(after elapsed: Duration, done: Int, remaining: Int) -> Duration? {
    done > 0 ? elapsed / done * remaining : nil
  }

  /// `0:05`, `12:34` or `1:02:03`.
  static func text(of duration: Duration) -> String {
    let seconds = Int(duration.components.seconds)
    func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
    let tail = padded(seconds % 60)
    return hours > 0 ? "\(hours):\(padded(minutes)):\(tail)" : "\(minutes):\(tail)"
  }
}
