import ArgumentParser
import CommandOptions
import DeCLIP
import Foundation
import Runtime
import Terminal

/// `declip-run bench`.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Time a model step by step on this machine.",
    discussion: """
      1000 runs and more also tell whether latency or memory drift. With --paced a run is made for \
      every line on standard input, and its milliseconds are printed as a line, so that another \
      program can take turns with this one; the report follows at the end of input.
      """)

  @OptionGroup var options: ModelOptions

  @Option(help: "The input: a side in pixels or HEIGHTxWIDTH; by default the native size.")
  var size: InputSize?

  @Option(help: "Compare input sizes, such as 224,336,480x640, a row each.")
  var sizes: InputSizes?

  @Option(help: "How the last block aggregates.")
  var mode = DenseMode.qq

  @Option(name: [.short, .long], help: "Timed runs; with --paced the most there may be.")
  var repeats = 10

  @Flag(help: "Run once for every line on standard input.")
  var paced = false

  @Flag(help: "Print JSON instead of a table.")
  var json = false

  func validate() throws {
    guard (1...1_000_000).contains(repeats) else {
      throw ValidationError("--repeats takes 1 to 1000000")
    }
    guard sizes == nil || size == nil && !paced else {
      throw ValidationError("--sizes does not go with --size or --paced")
    }
  }

  func run() throws {
    try reporting {
      if let sizes { try measure(sizes.sizes) } else { try measureOne() }
    }
  }

  private func measureOne() throws {
    let start = DispatchTime.now().uptimeNanoseconds
    let (model, pool) = try options.open()
    let size = size ?? InputSize(height: model.nativeSize, width: model.nativeSize)
    let encoder = try ImageEncoder(
      model, mode: mode, outputs: [.dense], engine: options.engine, pool: pool)
    _ = try encoder.engine(for: size)
    let loading = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e6
    let benchmark = try Benchmark(
      encoder, size: size, repeats: repeats, while: { !paced || readLine() != nil },
      done: { if paced { sayNow(Format.fixed($0, 3)) } })
    guard !benchmark.runs.isEmpty else {
      throw DeclipError(
        .usage, "standard input asks for no run", expected: "a line for each with --paced")
    }
    let result = BenchResult(
      benchmark, model: model.path, engine: encoder.kind.rawValue, mode: mode.rawValue,
      size: size, threads: pool.threads, kernels: try Kernels.chosen().name, loading: loading)
    if json {
      try JSONOutput.print(result)
    } else {
      let peaks = encoder.kind == .int8 ? try Kernels.chosen().int8Peaks(pool) : nil
      print(
        "\(model.path): \(model.architecture.summary)\n"
          + "engine \(result.engine), mode \(result.mode), input \(size), "
          + "\(result.tokens) tokens, \(threads(result.threads)), kernels \(result.kernels)\n\n"
          + table(benchmark, peaks: peaks) + "\n\n" + summary(result))
    }
  }

  /// Prints a line that another program waits for.
  private func sayNow(_ line: String) {
    print(line)
    fflush(nil)
  }

  func threads(_ count: Int) -> String { "\(count) thread\(count == 1 ? "" : "s")" }

  /// A row for each part; `peaks` are the most multiply-accumulates a second, for integers.
  private func table(_ benchmark: Benchmark, peaks: Kernels.Peaks?) -> String {
    // Integers are counted in multiply-accumulates, floats in operations, two for each of them.
    let unit = peaks == nil ? "GFLOP" : "GMAC"
    var columns: [(String, Table.Alignment)] = [
      ("part", .left), ("ms", .right), ("share", .right), (unit, .right), (unit + "/s", .right),
    ]
    if peaks != nil { columns.append(("of peak", .right)) }
    var table = Table(columns)
    // Milliseconds at the peak.
    func best(_ integers: Benchmark.IntegerOperations, isAttention: Bool) -> Double? {
      guard let peaks else { return nil }
      let peak = isAttention ? peaks.attention : peaks.products
      return (integers.narrow / peaks.narrowProducts + integers.other / peak) / 2 * 1e3
    }
    func best(_ part: Benchmark.Part) -> Double? {
      best(part.integers, isAttention: part.kind == .attention)
    }
    func rate(_ operations: Double, _ milliseconds: Double, of best: Double?) -> [String] {
      guard operations > 0 else { return Array(repeating: "", count: columns.count - 3) }
      let count = peaks == nil ? operations : operations / 2
      let speed = count / milliseconds * 1e3
      return [Format.fixed(count / 1e9, 2), Format.fixed(speed / 1e9, 1)]
        + (best.map { [Format.percent($0 / milliseconds)] } ?? [])
    }
    for part in benchmark.parts {
      table.add(
        [
          part.kind.rawValue, Format.fixed(part.milliseconds, 2),
          Format.percent(part.milliseconds / benchmark.median),
        ] + rate(part.operations, part.milliseconds, of: best(part)))
      guard part.kind == .attention else { continue }
      for part in benchmark.attention {
        table.add(
          [
            "  " + part.name, Format.fixed(part.milliseconds, 2),
            Format.percent(part.milliseconds / benchmark.median),
          ]
            + rate(
              part.operations, part.milliseconds,
              of: best(part.integers, isAttention: true)))
      }
    }
    table.add(
      ["total", Format.fixed(benchmark.median, 2), ""]
        + rate(
          benchmark.operations, benchmark.median,
          of: peaks.map { _ in benchmark.parts.compactMap(best).reduce(0, +) }))
    guard let peaks else { return table.text }
    func gigas(_ peak: Double) -> String { "\(Format.fixed(peak / 1e9, 0)) GMAC/s" }
    var text =
      table.text
      + "\n\npeak: \(gigas(peaks.products)), the instructions of int8 products on registers"
    if benchmark.parts.contains(where: { $0.integers.narrow > 0 }) {
      text += "; \(gigas(peaks.narrowProducts)) where both operands have 7 bits"
    }
    if peaks.attention != peaks.products {
      text += "; \(gigas(peaks.attention)) where attention has more"
    } else {
      text += " (16-bit integers, which attention has in the last block, take half that rate)"
    }
    if benchmark.parts.contains(where: { $0.integers.all > $0.operations }) {
      text += "; rows in two bytes, multiplied twice, count twice of it"
    }
    if let rest = benchmark.rest {
      text +=
        "\nbesides products: \(Format.fixed(rest, 2)) ms, "
        + "\(Format.percent(rest / benchmark.median)) of the total: norms, patches, rows made "
        + "integers, attention's packing and softmax"
    }
    return text
  }

  private func summary(_ result: BenchResult) -> String {
    let seconds = result.medianMilliseconds / 1e3
    var text =
      "median of \(result.runs.count) runs \(Format.fixed(result.medianMilliseconds, 1)) ms "
      + "(\(Format.fixed(result.runs.min() ?? 0, 1)) to "
      + "\(Format.fixed(result.runs.max() ?? 0, 1))), "
      + "\(Format.fixed(Double(result.tokens) / seconds, 0)) tokens/s, "
      + "\(Format.fixed(1 / seconds, 2)) pictures/s\n"
      + "opened and weights read in \(Format.fixed(result.loadingMilliseconds, 0)) ms, first "
      + "result after \(Format.fixed(result.firstResultMilliseconds, 0)) ms; buffers "
      + Format.bytes(UInt64(result.bufferBytes))
    if let peak = result.peakBytes { text += ", peak memory \(Format.bytes(peak))" }
    if let drift = result.drift {
      let change = drift.lastTenthMilliseconds / drift.firstTenthMilliseconds - 1
      text +=
        "\nfirst tenth of the runs: median \(Format.fixed(drift.firstTenthMilliseconds, 3)) ms, "
        + "then \(Format.bytes(drift.residentAfterFirstTenthBytes)) resident; last tenth: "
        + "\(Format.fixed(drift.lastTenthMilliseconds, 3)) ms "
        + "(\(change < 0 ? "" : "+")\(Format.percent(change))), "
        + "\(Format.bytes(drift.residentAtEndBytes)) at the end"
    }
    return text
  }
}
