import Glibc
import Model
import Runtime

/// Repeated runs of one plan on a fixed input, timed step by step.
public struct Benchmark: Sendable {
  /// The time of one part of the network.
  public struct Part: Sendable {
    /// The part.
    public let kind: StepKind
    /// Milliseconds a run, the median over runs.
    public let milliseconds: Double
    /// Floating-point operations of its matrix products in one run, two for a multiply-add.
    public let operations: Double
  }

  /// Milliseconds of every run, in order.
  public let runs: [Double]
  /// The parts of the network, in the order of `StepKind`.
  public let parts: [Part]
  /// The tokens of the input, class token included.
  public let tokens: Int
  /// Bytes of the plan's buffers.
  public let arenaSize: Int

  /// The median of the runs in milliseconds.
  public var median: Double { Self.median(runs) }

  /// Floating-point operations of all matrix products of a run.
  public var operations: Double { parts.reduce(0) { $0 + $1.operations } }

  /// Runs `encoder` `repeats` times on an input of a size, after two runs that do not count.
  ///
  /// Throws what `ImageEncoder.engine(for:)` throws.
  public init(
    _ encoder: ImageEncoder, size: InputSize, repeats: Int
  ) throws(DeclipError) {
    let engine = try encoder.engine(for: size)
    let pixels = (0..<3 * size.height * size.width).map { Float($0 % 251) / 125 - 1 }
    var runs: [Double] = []
    var times: [StepKind: [Double]] = [:]
    for round in 0..<repeats + 2 {
      let start = monotonicMilliseconds()
      try pixels.span.withUnsafeBufferPointer { pixels throws(DeclipError) in
        try engine.run(pixels: pixels)
      }
      guard round >= 2 else { continue }
      runs.append(monotonicMilliseconds() - start)
      var sums: [StepKind: Double] = [:]
      for (step, duration) in zip(engine.plan.steps, engine.durations) {
        sums[step.kind, default: 0] += Double(duration) / 1e6
      }
      for (kind, sum) in sums { times[kind, default: []].append(sum) }
    }
    var operations: [StepKind: Double] = [:]
    for step in engine.plan.steps {
      operations[step.kind, default: 0] += 2 * Double(engine.plan.multiplyAdds(of: step))
    }
    self.runs = runs
    tokens = engine.plan.rows
    arenaSize = engine.arenaSize
    parts = StepKind.allCases.compactMap { kind in
      times[kind].map {
        Part(kind: kind, milliseconds: Self.median($0), operations: operations[kind] ?? 0)
      }
    }
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard let middle = sorted.dropFirst(sorted.count / 2).first else { return 0 }
    return sorted.count % 2 == 1 ? middle : (middle + sorted[sorted.count / 2 - 1]) / 2
  }
}

/// The monotonic clock in milliseconds.
func monotonicMilliseconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
}
