import Foundation
import Testing

/// Tools whose input is cut short while they use it.
@Suite struct CutFileTests {
  private let folder: TemporaryFolder
  private let model: String
  private let picture = Repository.path("fixtures/shapes/scenes/demo.png")

  init() throws {
    folder = try TemporaryFolder()
    model = folder("shapes.declip")
    #expect(
      try Tool("declip-convert")(
        Repository.path("fixtures/shapes/model.safetensors"), "-o", model, "--no-verify"
      ).status == 0)
  }

  /// A tool that cannot finish before somebody reads the pipe that it writes to.
  private func start(_ tool: String, _ arguments: [String]) throws -> (Process, Pipe) {
    try #require(mkfifo(folder("pipe"), 0o600) == 0)
    let process = Tool(tool).process(arguments + ["-o", folder("pipe")])
    let errors = Pipe()
    process.standardOutput = FileHandle.nullDevice
    process.standardError = errors
    try process.run()
    return (process, errors)
  }

  private func system(_ process: Process, _ name: String) -> String {
    let path = "/proc/\(process.processIdentifier)/\(name)"
    return (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  }

  /// Cut at any moment from the mapping on, the file is named and the exit code that of reading.
  @Test func cutModelIsNamedWithExitCode74() throws {
    let (process, errors) = try start(
      "declip-quant",
      ["calibrate", model, "--images", picture, Repository.path("fixtures/shapes/scenes")]
        + ["--limit", "2", "--size", "32"])
    while process.isRunning, !system(process, "maps").contains(model) { usleep(1000) }
    truncate(model, 0)
    // Read without waiting for a writer, which there may never be.
    let reader = open(folder("pipe"), O_RDONLY | O_NONBLOCK)
    defer { close(reader) }
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while process.isRunning {
      _ = read(reader, &chunk, chunk.count)
      usleep(1000)
    }
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    #expect(process.terminationReason == .exit && process.terminationStatus == 74, "\(text)")
    #expect(text.hasPrefix("error: \(model): ") && text.contains("cut short"), "\(text)")
    #expect(text.split(separator: "\n").count == 1)
  }

  /// Bit 6 of the caught signals is SIGBUS.
  @Test(
    arguments: [
      ("declip-convert", ["MODEL", "--no-verify"]),
      ("declip-run", ["features", "PICTURE", "--model", "DECLIP"]),
      ("declip-quant", ["calibrate", "DECLIP", "--images", "PICTURE", "--size", "32"]),
    ])
  func toolsCatchFaults(tool: String, arguments: [String]) throws {
    let names = [
      "MODEL": Repository.path("fixtures/shapes/model.safetensors"), "DECLIP": model,
      "PICTURE": picture,
    ]
    let (process, _) = try start(tool, arguments.map { names[$0] ?? $0 })
    var mask: UInt64 = 0
    while process.isRunning, mask & 1 << 6 == 0 {
      let line = system(process, "status").split(separator: "\n")
        .first { $0.hasPrefix("SigCgt:") }
      mask = line.flatMap { UInt64($0.dropFirst(8), radix: 16) } ?? 0
      usleep(1000)
    }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    #expect(mask & 1 << 6 != 0)
  }
}
