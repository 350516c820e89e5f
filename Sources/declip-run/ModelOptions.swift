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

  @Option(help: "Threads; by default one for each processor.")
  var threads = Threads.available

  func open() throws(DeclipError) -> (Model, WorkerPool) {
    guard (1...1024).contains(threads) else {
      throw DeclipError(.usage, "\(threads) threads", expected: "1 to 1024")
    }
    return (try Model(path: model), try WorkerPool(threads: threads))
  }
}
