import Model

/// What computes a vision plan.
public protocol VisionEngine: AnyObject {
  /// The plan that the engine walks.
  var plan: Plan { get }
  /// Nanoseconds that each step of the last run took.
  var durations: [UInt64] { get }
  /// The bytes of memory that the plan's buffers take.
  var arenaSize: Int { get }
  /// The rows of an output of the last run, row-major, `plan.width(of:)` columns each.
  func output(_ slot: Slot) -> [Float]
  /// Runs the plan on `[3, height, width]` normalised pixels of its size.
  func run(pixels: UnsafeBufferPointer<Float>) throws(DeclipError)
  /// The same, calling `observe` with the number of every step once it is done.
  func run(
    pixels: UnsafeBufferPointer<Float>, observe: (_ step: Int) -> Void
  ) throws(DeclipError)
  /// The rows that a step of the run in progress has just made, row-major, as floats: all rows of
  /// the step's row set. Nil where the engine computes the step within another and its result
  /// never stands in memory. For use by `observe`.
  func rows(madeBy step: Int) -> [Float]?
}

extension FloatEngine: VisionEngine {}
