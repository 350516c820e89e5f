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
    /// What the int8 engine computes them with.
    public let integers: IntegerOperations
  }

  /// Operations of integer products, two for a multiply-add.
  public struct IntegerOperations: Sendable {
    /// Those whose operands have 7 bits.
    public var narrow = 0.0
    /// All others. Rows in two bytes are multiplied twice.
    public var other = 0.0

    /// All of them.
    public var all: Double { narrow + other }

    static func + (a: Self, b: Self) -> Self {
      Self(narrow: a.narrow + b.narrow, other: a.other + b.other)
    }
  }

  /// A part of attention.
  public struct AttentionPart: Sendable {
    /// `packing`, `scores`, `softmax` or `values`.
    public let name: String
    /// Milliseconds a run.
    public let milliseconds: Double
    /// The operations of its products in one run.
    public let integers: IntegerOperations

    /// Operations in one run, two for a multiply-add.
    public var operations: Double { integers.all }
  }

  /// What many runs in a row changed.
  public struct Drift: Sendable {
    /// Milliseconds, the median over the first tenth of the runs.
    public let firstTenth: Double
    /// Milliseconds, the median over the last tenth.
    public let lastTenth: Double
    /// Resident bytes of the process after the first tenth.
    public let residentAfterFirst: UInt64
    /// Resident bytes at the end.
    public let residentAtEnd: UInt64
  }

  /// Milliseconds of the first run of all, which finds caches and pages cold; not among `runs`.
  public let firstRun: Double
  /// Milliseconds of every run, in order.
  public let runs: [Double]
  /// The parts of the network, in the order of `StepKind`.
  public let parts: [Part]
  /// What attention consists of, in further runs; empty where the engine does not say.
  public let attention: [AttentionPart]
  /// Milliseconds of everything that is no product, with what attention does besides its own; nil
  /// where the engine does not say. What products do to their results is theirs.
  public let rest: Double?
  /// The tokens of the input, class token included.
  public let tokens: Int
  /// Bytes of the plan's buffers.
  public let arenaSize: Int
  /// What changed from the first to the last of many runs; nil for fewer than `soakRuns`.
  public let drift: Drift?

  /// From how many runs on `drift` is told.
  public static let soakRuns = 1000

  /// The median of the runs in milliseconds.
  public var median: Double { Self.median(runs[...]) }

  /// Floating-point operations of all matrix products of a run.
  public var operations: Double { parts.reduce(0) { $0 + $1.operations } }

  /// Runs `encoder` up to `repeats` times on an input of a size, after two runs that do not count.
  ///
  /// `isDue` is asked before each run that counts, and ends them with false; `done` is told each
  /// one's milliseconds. Throws what `ImageEncoder.engine(for:)` throws.
  public init(
    _ encoder: ImageEncoder, size: InputSize, repeats: Int, while isDue: () -> Bool = { true },
    done: (_ milliseconds: Double) -> Void = { _ in }
  ) throws(DeclipError) {
    let engine = try encoder.engine(for: size)
    let pixels = (0..<3 * size.height * size.width).map { Float($0 % 251) / 125 - 1 }
    func timed() throws(DeclipError) -> Double {
      let start = monotonicMilliseconds()
      try pixels.span.withUnsafeBufferPointer { pixels throws(DeclipError) in
        try engine.run(pixels: pixels)
      }
      return monotonicMilliseconds() - start
    }
    firstRun = try timed()
    _ = try timed()

    // Everything that is recorded has its memory beforehand, so that growth is the engine's own.
    let kinds = StepKind.allCases
    var runs = [Double](repeating: 0, count: repeats)
    var times = [[Double]](
      repeating: [Double](repeating: 0, count: repeats), count: kinds.count)
    let kindOfStep = engine.plan.steps.map { kinds.firstIndex(of: $0.kind) ?? 0 }
    var rowTimes = [Double](repeating: 0, count: repeats)
    var count = 0
    var residentAfterFirst: UInt64 = 0
    while count < repeats, isDue() {
      runs[count] = try timed()
      for (kind, duration) in zip(kindOfStep, engine.durations) {
        times[kind][count] += Double(duration) / 1e6
      }
      if let engine = engine as? Int8Engine { rowTimes[count] = Self.rest(engine) }
      done(runs[count])
      count += 1
      if count == repeats / 10 { residentAfterFirst = ProcessMemory.resident ?? 0 }
    }
    drift =
      count == repeats && count >= Self.soakRuns
      ? Drift(
        firstTenth: Self.median(runs.prefix(count / 10)),
        lastTenth: Self.median(runs.suffix(count / 10)), residentAfterFirst: residentAfterFirst,
        residentAtEnd: ProcessMemory.resident ?? 0) : nil
    self.runs = Array(runs.prefix(count))
    tokens = engine.plan.rows
    arenaSize = engine.arenaSize
    var operations = [Double](repeating: 0, count: kinds.count)
    var integers = [IntegerOperations](repeating: .init(), count: kinds.count)
    for (index, step) in engine.plan.steps.enumerated() {
      let (kind, count) = (kindOfStep[index], 2 * Double(engine.plan.multiplyAdds(of: step)))
      operations[kind] += count
      guard let engine = engine as? Int8Engine else { continue }
      if step.kind == .attention {
        let parts = Self.attentionOperations(engine, index)
        integers[kind] = integers[kind] + parts.scores + parts.values
      } else {
        let shares = engine.productShares(ofStep: index)
        integers[kind].narrow += count * shares.narrow
        integers[kind].other += count * shares.other
      }
    }
    let used = Set(kindOfStep)
    let parts = kinds.indices.filter(used.contains).map { kind in
      Part(
        kind: kinds[kind], milliseconds: Self.median(times[kind].prefix(count)),
        operations: operations[kind], integers: integers[kind])
    }
    self.parts = parts
    if let engine = engine as? Int8Engine, count > 0,
      let attention = try Self.attention(of: engine, parts, pixels)
    {
      self.attention = attention
      rest =
        Self.median(rowTimes.prefix(count))
        + attention.reduce(0) { $1.operations == 0 ? $0 + $1.milliseconds : $0 }
    } else {
      (attention, rest) = ([], nil)
    }
  }

  /// Milliseconds of the last run's steps without products, and of what others do besides them.
  private static func rest(_ engine: Int8Engine) -> Double {
    var sum: UInt64 = 0
    for (index, step) in engine.plan.steps.enumerated() {
      sum += step.kind.growth == .rest ? engine.durations[index] : engine.rowDurations[index]
    }
    return Double(sum) / 1e6
  }

  /// The parts of attention by their shares in runs that count them.
  private static func attention(
    of engine: Int8Engine, _ parts: [Part], _ pixels: [Float]
  ) throws(DeclipError) -> [AttentionPart]? {
    guard let whole = parts.first(where: { $0.kind == .attention }) else { return nil }
    let times = try pixels.span.withUnsafeBufferPointer { pixels throws(DeclipError) in
      try engine.timeAttention(pixels: pixels, runs: 3)
    }
    guard let times else { return nil }
    var (scores, values) = (IntegerOperations(), IntegerOperations())
    for step in engine.plan.steps.indices {
      let parts = attentionOperations(engine, step)
      (scores, values) = (scores + parts.scores, values + parts.values)
    }
    return [
      ("packing", times.packing, IntegerOperations()), ("scores", times.scores, scores),
      ("softmax", times.softmax, IntegerOperations()), ("values", times.values, values),
    ].map { name, time, integers in
      AttentionPart(
        name: name, milliseconds: whole.milliseconds * time / times.total,
        integers: integers)
    }
  }

  /// The operations of a step of attention; none of any other step.
  private static func attentionOperations(
    _ engine: Int8Engine, _ step: Int
  ) -> (scores: IntegerOperations, values: IntegerOperations) {
    let count = engine.plan.attentionMultiplyAdds(of: engine.plan.steps[step])
    let isSlim = engine.isSlim(step: step)
    func operations(_ count: Int, _ isSlim: Bool) -> IntegerOperations {
      isSlim ? .init(narrow: 2 * Double(count)) : .init(other: 2 * Double(count))
    }
    return (operations(count.scores, isSlim.scores), operations(count.values, isSlim.values))
  }

  private static func median(_ values: ArraySlice<Double>) -> Double {
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
