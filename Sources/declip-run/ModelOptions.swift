import ArgumentParser
import DeCLIP
import Runtime

extension DenseMode: ExpressibleByArgument {}

/// The options that every command of `declip-run` takes.
struct ModelOptions: ParsableArguments {
  @Option(name: [.short, .long], help: "The .declip model.")
  var model: String

  @Option(help: "Threads; by default one for each processor.")
  var threads = Threads.available

  func open() throws(DeclipError) -> (Model, WorkerPool) {
    guard (1...1024).contains(threads) else {
      throw DeclipError(.usage, "\(threads) threads", expected: "1 to 1024")
    }
    return (try Model(path: model), try WorkerPool(threads: threads))
  }
}
