import Foundation
import Testing

@testable import Files
@testable import Model

@Suite struct AtomicFileTests {
  private let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "declip-files-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  private var names: [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
  }

  @Test func committedFileHoldsItsBytes() throws {
    let path = folder + "/a"
    try AtomicFile.write([1, 2, 3], to: path)
    let bytes = try MappedFile(path: path).bytes
    #expect(bytes.withUnsafeBytes { Array($0) } == [1, 2, 3])
    #expect(names == ["a"])
  }

  @Test func droppedFileLeavesNothing() throws {
    do {
      var file = try AtomicFile(path: folder + "/a")
      try file.write([1, 2, 3])
    }
    #expect(names == [])
  }

  @Test func unwritableFolderIsCannotCreate() {
    let path = folder + "/none/a"
    #expect {
      try AtomicFile.write([], to: path)
    } throws: { error in
      (error as? DeclipError)?.kind == .cannotCreate
    }
  }

  @Test func missingFileAndFolderAreMissingInput() {
    for path in [folder + "/none", folder] {
      #expect {
        try MappedFile(path: path)
      } throws: { error in
        (error as? DeclipError)?.kind == .missingInput
      }
    }
  }
}
