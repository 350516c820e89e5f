import ArgumentParser
import Runtime
import Terminal

/// `declip-run kernels`.
struct ListKernels: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels",
    abstract: "List the instruction sets that this processor runs, the one in use marked.",
    discussion: """
      All give the same bits in int8. DECLIP_CPU=NAME forces one, for tests.
      """)

  func run() throws {
    try reporting {
      let chosen = try Kernels.chosen().name
      for kernels in Kernels.available {
        print(kernels.name == chosen ? "\(kernels.name) *" : kernels.name)
      }
    }
  }
}
