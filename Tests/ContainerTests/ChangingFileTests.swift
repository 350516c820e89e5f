import Foundation
import Testing

@testable import Container
@testable import Model

/// Files that others cut short or write to while they are open.
@Suite struct ChangingFileTests {
  private let folder: Folder
  private let path: String

  init() throws {
    folder = try Folder()
    path = folder.path + "/model.declip"
    try ContainerWriter.write(.random(.small(), seed: 11), to: path, options: .test)
  }

  private func expectError(_ problem: String, _ body: () throws -> Void) {
    let error = #expect(throws: DeclipError.self) { try body() }
    #expect(error?.kind == .inputOutput)
    #expect(error?.problem == problem)
    #expect(error?.file == path)
  }

  /// Nothing is left of it: whoever touched the mapping would not live to see the error.
  @Test func cutFilesAreErrorsWhereverTheyAreRead() throws {
    let file = try ContainerFile(path: path)
    let entry = try #require(file.entries.first)
    truncate(path, 0)
    let problem = "was cut short to 0 bytes while it was being read"
    expectError(problem) { _ = try file.floats(entry) }
    expectError(problem) { _ = try file.tensor(entry) }
    expectError(problem) { try file.check(threads: 2) }
  }

  @Test func filesThatAreWrittenToAreErrors() throws {
    let file = try ContainerFile(path: path)
    let entry = try #require(file.entries.first)
    truncate(path, off_t(file.fileLength) + 1)
    expectError("was changed while it was being read") { _ = try file.floats(entry) }
  }
}
