import Foundation

/// Runs the command lines that were built beside the tests.
struct Tool {
  struct Outcome {
    let status: Int32
    let output: String
    let errors: String
  }

  let url: URL

  init(_ name: String) {
    // Tests and command lines are built into one folder.
    let tests = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    url = tests.deletingLastPathComponent().appending(path: name)
  }

  func process(_ arguments: [String]) -> Process {
    let process = Process()
    process.executableURL = url
    process.arguments = arguments
    return process
  }

  /// Runs the tool to its end.
  func callAsFunction(_ arguments: String...) throws -> Outcome {
    try callAsFunction(arguments)
  }

  /// Runs the tool to its end; `input` must fit into a pipe.
  func callAsFunction(_ arguments: [String], input: String? = nil) throws -> Outcome {
    let process = process(arguments)
    let (output, errors) = (Pipe(), Pipe())
    if let input {
      let pipe = Pipe()
      process.standardInput = pipe
      try pipe.fileHandleForWriting.write(contentsOf: Data(input.utf8))
      try pipe.fileHandleForWriting.close()
    }
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    // Both pipes are drained at once, so that neither can fill up and block the tool.
    let reader = PipeReader(errors)
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let errorText = reader.text()
    process.waitUntilExit()
    return Outcome(status: process.terminationStatus, output: text, errors: errorText)
  }
}

/// Reads a pipe to its end on a thread of its own.
private final class PipeReader: @unchecked Sendable {
  private let group = DispatchGroup()
  private var data = Data()

  init(_ pipe: Pipe) {
    let handle = pipe.fileHandleForReading
    group.enter()
    Thread.detachNewThread { [self] in
      data = handle.readDataToEndOfFile()
      group.leave()
    }
  }

  func text() -> String {
    group.wait()
    return String(decoding: data, as: UTF8.self)
  }
}

/// A folder that is removed with its owner.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "declip-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func callAsFunction(_ name: String) -> String { path + "/" + name }

  var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }
}

/// Files of the repository.
enum Repository {
  static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  static func path(_ name: String) -> String { root.appending(path: name).path }
}
