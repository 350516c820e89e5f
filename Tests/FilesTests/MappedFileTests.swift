import Foundation
import Testing

@testable import Files
@testable import Model

@Suite struct MappedFileTests {
  private let path: String

  init() throws {
    path = NSTemporaryDirectory() + "declip-mapped-\(UUID().uuidString)"
    try AtomicFile.write([UInt8](repeating: 7, count: 100_000), to: path)
  }

  private func failure(_ file: MappedFile) -> String? {
    do throws(DeclipError) {
      try file.requireUnchanged()
      return nil
    } catch {
      #expect(error.kind == .inputOutput)
      return error.description
    }
  }

  @Test func changesAreErrors() throws {
    let file = try MappedFile(path: path)
    #expect(failure(file) == nil)
    truncate(path, 5000)
    #expect(
      failure(file)
        == "\(path): was cut short to 5000 bytes while it was being read, expected 100000 bytes; "
        + "restore the file and try again")
    truncate(path, 100_001)
    #expect(
      failure(file)
        == "\(path): was changed while it was being read; try again once it is complete")
    unlink(path)
  }

  /// Another file under the same name is no concern of whoever has the old one open.
  @Test func replacementsAreNoChanges() throws {
    let file = try MappedFile(path: path)
    try AtomicFile.write([1], to: path)
    #expect(failure(file) == nil)
    #expect(file.bytes.withUnsafeBytes { $0.count == 100_000 && $0[99_999] == 7 })
    unlink(path)
  }

  @Test func errorsOfReadersGiveWayToTheChange() throws {
    let file = try MappedFile(path: path)
    let error = #expect(throws: DeclipError.self) {
      try file.whileUnchanged { () throws(DeclipError) in
        truncate(path, 5000)
        throw DeclipError(.badData, "is damaged")
      }
    }
    #expect(error?.kind == .inputOutput)
    unlink(path)
  }

  /// The file is cut while it is mapped, and a page touched that is no more.
  @Test func faultsEndTheProcessInWords() async {
    let result = await #expect(
      processExitsWith: .exitCode(74), observing: [\.standardErrorContent]
    ) {
      let path = NSTemporaryDirectory() + "declip-fault-\(getpid())"
      try AtomicFile.write([UInt8](repeating: 7, count: 1 << 20), to: path)
      MappedFile.endProcessOnFault()
      // One that is gone must not be taken for the other.
      _ = try MappedFile(path: path).bytes.count
      let file = try MappedFile(path: path)
      truncate(path, 0)
      unlink(path)
      let sum = file.bytes.withUnsafeBytes { $0.reduce(0) { $0 &+ Int($1) } }
      exit(Int32(truncatingIfNeeded: sum | 1))
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    let lines = text.split(separator: "\n").filter { $0.hasPrefix("error: ") }
    #expect(lines.count == 1)
    #expect(
      lines.first?.hasSuffix(
        ": cannot be read any more: it was cut short while it was in use, or its medium failed; "
          + "restore the file and try again") == true)
    #expect(lines.first?.contains("/declip-fault-") == true)
  }

  /// Memory that no `MappedFile` stands for.
  @Test func otherFaultsKeepTheirAction() async {
    await #expect(processExitsWith: .signal(SIGBUS)) {
      let path = NSTemporaryDirectory() + "declip-fault-\(getpid())"
      try AtomicFile.write([UInt8](repeating: 7, count: 1 << 20), to: path)
      MappedFile.endProcessOnFault()
      _ = try MappedFile(path: path).bytes.count
      let descriptor = open(path, O_RDWR)
      let address = mmap(nil, 1 << 20, PROT_READ, MAP_PRIVATE, descriptor, 0)
      ftruncate(descriptor, 0)
      unlink(path)
      exit(address.map { Int32($0.load(as: UInt8.self)) } ?? 1)
    }
  }
}
