import ArgumentParser
import DeCLIP
import Foundation
import Runtime
import Terminal

/// `declip-run bench`.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Time a model step by step on this machine.")

  @OptionGroup var options: ModelOptions

  @Option(help: "The input: a side in pixels or HEIGHTxWIDTH; by default the native size.")
  var size: InputSize?

  @Option(help: "How the last block aggregates.")
  var mode = DenseMode.qq

  @Option(name: [.short, .long], help: "Timed runs.")
  var repeats = 10

  @Flag(help: "Print JSON instead of a table.")
  var json = false

  func validate() throws {
    guard (1...10_000).contains(repeats) else {
      throw ValidationError("--repeats takes 1 to 10000")
    }
  }

  func run() throws {
    try reporting {
      let (model, pool) = try options.open()
      let size = size ?? InputSize(height: model.nativeSize, width: model.nativeSize)
      let encoder = try ImageEncoder(
        model, mode: mode, outputs: [.dense], engine: options.engine, pool: pool)
      let start = DispatchTime.now().uptimeNanoseconds
      _ = try encoder.engine(for: size)
      let loading = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e6
      let benchmark = try Benchmark(encoder, size: size, repeats: repeats)
      if json {
        try printJSON(benchmark, model, size, pool, loading)
      } else {
        try printTable(benchmark, model, size, pool, loading)
      }
    }
  }

  private func printTable(
    _ benchmark: Benchmark, _ model: Model, _ size: InputSize, _ pool: WorkerPool,
    _ loading: Double
  ) throws {
    let seconds = benchmark.median / 1e3
    print(
      "\(model.path): \(model.architecture.summary)\n"
        + "engine \(options.engine.rawValue), mode \(mode.rawValue), input \(size), \(benchmark.tokens) tokens, "
        + "\(pool.threads) thread\(pool.threads == 1 ? "" : "s"), kernels "
        + "\(try Kernels.chosen().name)\n")
    let peak = options.engine == .int8 ? try Kernels.chosen().int8Peak(pool) : nil
    // Integers are counted in multiply-accumulates, floats in operations, two for each of them.
    let unit = peak == nil ? "GFLOP" : "GMAC"
    var columns: [(String, Table.Alignment)] = [
      ("part", .left), ("ms", .right), ("share", .right), (unit, .right), (unit + "/s", .right),
    ]
    if peak != nil { columns.append(("of peak", .right)) }
    var table = Table(columns)
    func rate(_ operations: Double, _ milliseconds: Double) -> [String] {
      guard operations > 0 else { return Array(repeating: "", count: columns.count - 3) }
      let count = peak == nil ? operations : operations / 2
      let speed = count / milliseconds * 1e3
      return [Format.fixed(count / 1e9, 2), Format.fixed(speed / 1e9, 1)]
        + (peak.map { [Format.percent(speed / $0)] } ?? [])
    }
    for part in benchmark.parts {
      table.add(
        [
          part.kind.rawValue, Format.fixed(part.milliseconds, 2),
          Format.percent(part.milliseconds / benchmark.median),
        ] + rate(part.operations, part.milliseconds))
    }
    table.add(
      ["total", Format.fixed(benchmark.median, 2), ""]
        + rate(benchmark.operations, benchmark.median))
    print(table.text)
    if let peak {
      print(
        "\npeak: \(Format.fixed(peak / 1e9, 0)) GMAC/s, the instructions of int8 products on "
          + "registers (attention multiplies 16-bit integers, at half that rate)")
    }
    print(
      "\nmedian of \(benchmark.runs.count) runs \(Format.fixed(benchmark.median, 1)) ms "
        + "(\(Format.fixed(benchmark.runs.min() ?? 0, 1)) to "
        + "\(Format.fixed(benchmark.runs.max() ?? 0, 1))), "
        + "\(Format.fixed(Double(benchmark.tokens) / seconds, 0)) tokens/s, "
        + "\(Format.fixed(1 / seconds, 2)) pictures/s\n"
        + "weights read in \(Format.fixed(loading, 0)) ms, buffers "
        + "\(Format.bytes(UInt64(benchmark.arenaSize))), peak memory "
        + "\(Format.bytes(peakMemory))")
  }

  private struct Result: Encodable {
    struct Part: Encodable {
      let part: String
      let milliseconds: Double
      let gigaflop: Double
    }
    let model: String
    let engine: String
    let mode: String
    let height: Int
    let width: Int
    let tokens: Int
    let threads: Int
    let kernels: String
    let medianMilliseconds: Double
    let runs: [Double]
    let parts: [Part]
    let loadingMilliseconds: Double
    let bufferBytes: Int
    let peakBytes: UInt64
  }

  private func printJSON(
    _ benchmark: Benchmark, _ model: Model, _ size: InputSize, _ pool: WorkerPool,
    _ loading: Double
  ) throws {
    try JSONOutput.print(
      Result(
        model: model.path, engine: options.engine.rawValue, mode: mode.rawValue,
        height: size.height, width: size.width,
        tokens: benchmark.tokens, threads: pool.threads, kernels: try Kernels.chosen().name,
        medianMilliseconds: benchmark.median, runs: benchmark.runs,
        parts: benchmark.parts.map {
          .init(
            part: $0.kind.rawValue, milliseconds: $0.milliseconds, gigaflop: $0.operations / 1e9)
        }, loadingMilliseconds: loading, bufferBytes: benchmark.arenaSize,
        peakBytes: peakMemory))
  }

  /// The largest resident size of this process so far in bytes.
  private var peakMemory: UInt64 {
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return UInt64(usage.ru_maxrss) * 1024
  }
}

extension InputSize: ExpressibleByArgument {
  /// Reads `S` or `HEIGHTxWIDTH`.
  public init?(argument: String) {
    let sides = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    switch (sides.count, sides.first ?? nil, sides.last ?? nil) {
    case (1, let side?, _): self.init(height: side, width: side)
    case (2, let height?, let width?): self.init(height: height, width: width)
    default: return nil
    }
  }
}
