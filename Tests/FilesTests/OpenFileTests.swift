import Foundation
import Testing

@testable import Files
@testable import Model

@Suite struct OpenFileTests {
  private let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "declip-open-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: folder + "/inner", withIntermediateDirectories: true)
    try AtomicFile.write([1, 2, 3], to: folder + "/inner/file")
  }

  private func refusal(_ relative: String) -> String? {
    do throws(DeclipError) {
      _ = try OpenFile(relative: relative, below: folder, path: "model")
      return nil
    } catch {
      return error.description
    }
  }

  @Test func contentIsRead() throws {
    let bytes = try ByteView(contentsOf: folder + "/inner/file")
    #expect(bytes.withUnsafeBytes { Array($0) } == [1, 2, 3])
    // Memory has no page to lose.
    truncate(folder + "/inner/file", 0)
    #expect(bytes.withUnsafeBytes { Array($0) } == [1, 2, 3])
    #expect(try ByteView(contentsOf: folder + "/inner/file").count == 0)
  }

  @Test func fileCutWhileItIsReadIsAnError() throws {
    let file = try OpenFile(path: folder + "/inner/file")
    truncate(folder + "/inner/file", 2)
    let error = #expect(throws: DeclipError.self) {
      _ = try ByteView(count: 3) { target throws(DeclipError) in
        try file.read(into: target, at: 0)
      }
    }
    #expect(error?.kind == .inputOutput)
    #expect(error?.problem == "was cut short to 2 bytes while it was being read")
  }

  /// As when a link is put in a file's place after its path was resolved.
  @Test func linksOnTheWayAreRefused() {
    #expect(refusal("inner/file") == nil)
    symlink("inner", folder + "/folder")
    symlink("file", folder + "/inner/link")
    #expect(refusal("folder/file") == "model: cannot be opened: Not a directory")
    #expect(
      refusal("inner/link") == "model: cannot be opened: Too many levels of symbolic links")
  }

  @Test func pipesAndFoldersAreRefusedWithoutWaiting() {
    mkfifo(folder + "/pipe", 0o600)
    #expect(refusal("pipe") == "model: is not a regular file")
    #expect(refusal("inner") == "model: is not a regular file")
  }
}
