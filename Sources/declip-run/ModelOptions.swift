import ArgumentParser
import DeCLIP
import Runtime

extension DenseMode: ExpressibleByArgument {}
extension EngineKind: ExpressibleByArgument {}

/// The options that every command of `declip-run` takes.
struct ModelOptions: ParsableArguments {
  @Option(name: [.short, .long], help: "The .declip model.")
  var model: String

  @Option(help: "What the vision tower is computed with: 32-bit floats, or 8-bit integers.")
  var engine = EngineKind.float

  @OptionGroup var threads: ThreadOptions

  func open() throws(DeclipError) -> (Model, WorkerPool) {
    let pool = try threads.pool()
    return (try Model(path: model), pool)
  }
}

/// The option that says how many threads work.
struct ThreadOptions: ParsableArguments {
  @Option(help: "Threads; by default one for each processor.")
  var threads = Threads.available

  func pool() throws(DeclipError) -> WorkerPool {
    guard (1...1024).contains(threads) else {
      throw DeclipError(.usage, "\(threads) threads", expected: "1 to 1024")
    }
    return try WorkerPool(threads: threads)
  }
}
