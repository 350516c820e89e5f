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

  private func type(_ path: String) -> mode_t {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : 0
  }

  private func failure(_ path: String) -> DeclipError? {
    do throws(DeclipError) {
      try AtomicFile.write([1, 2, 3], to: path)
      return nil
    } catch {
      return error
    }
  }

  /// By way of a link and, where that may be made and opened here, of a node of its own.
  @Test func fullDevicesAreNamedAndStayDevices() {
    symlink("/dev/full", folder + "/link")
    var paths = [folder + "/link"]
    if mknod(folder + "/full", S_IFCHR | 0o666, 1 << 8 | 7) == 0,
      access(folder + "/full", W_OK) == 0
    {
      let descriptor = open(folder + "/full", O_WRONLY)
      if descriptor >= 0 {
        close(descriptor)
        paths.append(folder + "/full")
      }
    }
    for path in paths {
      let before = type(path)
      let error = failure(path)
      #expect(error?.kind == .inputOutput)
      #expect(error?.description == "\(path): cannot be written: No space left on device")
      #expect(type(path) == before)
    }
    #expect(type("/dev/full") == S_IFCHR)
    #expect(failure("/dev/null") == nil)
    #expect(type("/dev/null") == S_IFCHR)
    #expect(names.allSatisfy { ["link", "full"].contains($0) })
  }

  @Test func pipesAreWrittenThrough() throws {
    let path = folder + "/pipe"
    try #require(mkfifo(path, 0o600) == 0)
    let reader = open(path, O_RDONLY | O_NONBLOCK)
    defer { close(reader) }
    var file = try AtomicFile(path: path)
    try file.write([1, 2, 3, 4])
    // What a container does to its front.
    try file.overwrite([9, 8], at: 1)
    var bytes = [UInt8](repeating: 0, count: 10)
    #expect(read(reader, &bytes, bytes.count) <= 0)
    try file.commit()
    #expect(read(reader, &bytes, bytes.count) == 4)
    #expect(bytes.prefix(4) == [1, 9, 8, 4])
    #expect(type(path) == S_IFIFO)
    #expect(names == ["pipe"])
  }

  @Test func foldersAreRefused() {
    let error = failure(folder)
    #expect(error?.kind == .cannotCreate)
    #expect(error?.description == "\(folder): is a folder; name a file to write")
  }

  /// The file that a link leads to is replaced, not the link.
  @Test func linksAreFollowed() throws {
    try AtomicFile.write([1], to: folder + "/file")
    symlink("file", folder + "/link")
    try AtomicFile.write([1, 2], to: folder + "/link")
    #expect(type(folder + "/link") == S_IFLNK)
    let bytes = try MappedFile(path: folder + "/file").bytes
    #expect(bytes.withUnsafeBytes { Array($0) } == [1, 2])
    #expect(names.sorted() == ["file", "link"])
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
