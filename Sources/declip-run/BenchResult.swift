import DeCLIP
import Runtime

/// What `declip-run bench` measured at one input size, as its JSON has it.
struct BenchResult: Codable {
  struct Part: Codable {
    let part: String
    let milliseconds: Double
    let gigaflop: Double
  }

  /// What changed over many runs.
  struct Drift: Codable {
    let firstTenthMilliseconds: Double
    let lastTenthMilliseconds: Double
    let residentAfterFirstTenthBytes: UInt64
    let residentAtEndBytes: UInt64
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
  /// What attention consists of; empty where the engine does not say.
  let attention: [Part]
  /// Norms, patches, rows made integers, attention's packing and softmax; nil where the engine does
  /// not say.
  let restMilliseconds: Double?
  /// Opening the file, reading and packing the weights, placing the buffers.
  let loadingMilliseconds: Double
  /// The same and the first run.
  let firstResultMilliseconds: Double
  let bufferBytes: Int
  let peakBytes: UInt64?
  let drift: Drift?

  init(
    _ benchmark: Benchmark, model: String, engine: String, mode: String, size: InputSize,
    threads: Int, kernels: String, loading: Double
  ) {
    self.model = model
    self.engine = engine
    self.mode = mode
    self.threads = threads
    self.kernels = kernels
    (height, width) = (size.height, size.width)
    tokens = benchmark.tokens
    medianMilliseconds = benchmark.median
    runs = benchmark.runs
    parts = benchmark.parts.map {
      Part(part: $0.kind.rawValue, milliseconds: $0.milliseconds, gigaflop: $0.operations / 1e9)
    }
    attention = benchmark.attention.map {
      Part(part: $0.name, milliseconds: $0.milliseconds, gigaflop: $0.operations / 1e9)
    }
    restMilliseconds = benchmark.rest
    loadingMilliseconds = loading
    firstResultMilliseconds = loading + benchmark.firstRun
    bufferBytes = benchmark.arenaSize
    peakBytes = ProcessMemory.peak
    drift = benchmark.drift.map {
      Drift(
        firstTenthMilliseconds: $0.firstTenth, lastTenthMilliseconds: $0.lastTenth,
        residentAfterFirstTenthBytes: $0.residentAfterFirst, residentAtEndBytes: $0.residentAtEnd)
    }
  }

  /// Milliseconds of the parts whose cost grows as `growth` says.
  func milliseconds(_ growth: CostGrowth) -> Double {
    parts.reduce(0) {
      StepKind(rawValue: $1.part)?.growth == growth ? $0 + $1.milliseconds : $0
    }
  }

  /// Billions of multiply-accumulates in a second.
  var gigaMACs: Double {
    parts.reduce(0) { $0 + $1.gigaflop } / 2 / medianMilliseconds * 1e3
  }
}
