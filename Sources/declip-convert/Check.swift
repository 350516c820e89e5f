import ArgumentParser
import Container
import DeCLIP
import Terminal

/// `declip-convert check FILE...`.
struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Verify every checksum and decode every tensor of .declip files.")

  @Argument(help: "The .declip files.")
  var files: [String]

  @Option(help: "Threads to decode on; by default one for each processor.")
  var threads = Threads.available

  func run() throws {
    var firstFailure: ExitCode?
    for path in files {
      do throws(DeclipError) {
        let file = try ContainerFile(path: path)
        try file.check(threads: threads)
        print("\(path): ok, \(file.entries.count) tensors, \(Format.bytes(file.fileLength))")
      } catch {
        Terminal.printError("\(error)")
        firstFailure = firstFailure ?? ExitCode(error.kind.rawValue)
      }
    }
    if let firstFailure { throw firstFailure }
  }
}
