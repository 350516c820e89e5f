import ArgumentParser
import DeCLIP
import Runtime

extension DenseMode: ExpressibleByArgument {}
extension EngineKind: ExpressibleByArgument {}

/// The options that every command on one model takes.
public struct ModelOptions: ParsableArguments {
  /// The model's path.
  @Option(name: [.short, .long], help: "The .declip model.")
  public var model: String

  /// What the vision tower is computed with.
  @Option(
    help: """
      What the vision tower is computed with: 32-bit floats, or 8-bit integers; by default what \
      the file is made for: int8 for files of declip-quant, float for others.
      """)
  public var engine: EngineKind?

  /// How many threads to use.
  @OptionGroup public var threads: ThreadOptions

  /// Makes options to be parsed.
  public init() {}

  /// Opens the model; throws `usage`, and what `Model` throws.
  public func open() throws(DeclipError) -> (Model, WorkerPool) {
    let pool = try threads.pool()
    return (try Model(path: model), pool)
  }
}

/// How many threads to use.
public struct ThreadOptions: ParsableArguments {
  /// The number of threads.
  @Option(help: "Threads; by default one for each processor.")
  public var threads = Threads.available

  /// Makes options to be parsed.
  public init() {}

  /// As many workers; throws `usage` for numbers that make no sense.
  public func pool() throws(DeclipError) -> WorkerPool {
    guard (1...1024).contains(threads) else {
      throw DeclipError(.usage, "\(threads) threads", expected: "1 to 1024")
    }
    return try WorkerPool(threads: threads)
  }
}
