import Foundation
import Testing

@testable import Container
@testable import Model

/// How much of a mapped file stays in memory, as the system counts it.
@Suite struct ResidencyTests {
  let folder: Folder
  let path: String

  init() throws {
    folder = try Folder()
    path = folder.path + "/model.declip"
    let checkpoint = try Checkpoint.large(layers: 2)
    var options = ContainerOptions.test
    options.compression = .none
    try ContainerWriter.write(checkpoint, to: path, options: options)
  }

  /// The resident bytes of this test's mapping.
  private func resident() throws -> Int {
    // A handle, because the file claims a length of 0.
    let handle = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps"))
    let maps = String(decoding: try handle.readToEnd() ?? Data(), as: UTF8.self)
    var isOurs = false
    var total = 0
    for line in maps.split(separator: "\n") {
      let fields = line.split(separator: " ")
      if !fields[0].hasSuffix(":") {
        isOurs = line.hasSuffix(path)
      } else if isOurs, fields[0] == "Rss:", let kilobytes = Int(fields[1]) {
        total += kilobytes << 10
      }
    }
    return total
  }

  @Test func readingEverythingKeepsLittle() throws {
    let file = try ContainerFile(path: path)
    #expect(file.fileLength > 50_000_000)
    let opened = try resident()
    #expect(opened > 0 && opened < 1 << 20)
    _ = try file.floats(file.entries[9])
    #expect(try resident() < 2 << 20)
    for entry in file.entries { _ = try file.floats(entry) }
    #expect(try resident() < Int(file.fileLength) / 16)
    try file.check(threads: 2)
    #expect(try resident() < Int(file.fileLength) / 16)
  }
}
