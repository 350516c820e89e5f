import Foundation
import Glibc
import Testing

@testable import Container
@testable import Model

/// Damage by chance: every changed bit and every missing byte is an error that says where.
@Suite struct DamageTests {
  let folder: Folder
  let path: String
  let intact: [UInt8]

  init() throws {
    folder = try Folder()
    path = folder.path + "/model.declip"
    try ContainerWriter.write(.random(.small(), seed: 11), to: path, options: .test)
    intact = try fileBytes(path)
  }

  /// What opening and checking everything says about the file at `path`.
  private func verdict() -> DeclipError? {
    do throws(DeclipError) {
      try ContainerFile(path: path).check()
      return nil
    } catch {
      return error
    }
  }

  private func patch(_ byte: UInt8, at offset: Int) throws {
    let descriptor = open(path, O_WRONLY)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    var byte = byte
    try #require(pwrite(descriptor, &byte, 1, offset) == 1)
  }

  private func isNamed(_ error: DeclipError) -> Bool {
    error.kind == .badData && error.file == path
      && (error.place != nil || error.problem.contains("not a .declip file"))
  }

  @Test func intactFileIsIntact() {
    #expect(verdict() == nil)
  }

  @Test func everyByteIsCovered() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var generator = Seeded(seed)
    for offset in intact.indices {
      let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
      try patch(intact[offset] ^ bit, at: offset)
      let error = try #require(verdict(), "byte \(offset), bit \(bit), seed \(seed)")
      #expect(isNamed(error), "byte \(offset), bit \(bit), seed \(seed): \(error)")
      try patch(intact[offset], at: offset)
    }
    #expect(verdict() == nil)
  }

  @Test func everyTruncationIsAnError() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var generator = Seeded(seed)
    var lengths = Array(0..<1000)
    for _ in 0..<2000 { lengths.append(.random(in: 0..<intact.count, using: &generator)) }
    for length in lengths.sorted(by: >) {
      try #require(truncate(path, length) == 0)
      let error = try #require(verdict(), "length \(length), seed \(seed)")
      #expect(isNamed(error), "length \(length), seed \(seed): \(error)")
    }
  }

  @Test func bytesAfterTheEndAreAnError() throws {
    try Data(intact + [0]).write(to: URL(fileURLWithPath: path))
    #expect(
      verdict()?.description
        == "\(path): header at byte 16: the file has \(intact.count + 1) bytes, expected "
        + "\(intact.count); copy or convert the file again")
  }

  @Test func severalFlippedBytesNeverPass() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var generator = Seeded(seed)
    for _ in 0..<2000 {
      var bytes = intact
      for _ in 0..<Int.random(in: 1...20, using: &generator) {
        bytes[.random(in: bytes.indices, using: &generator)] = .random(
          in: 0...255, using: &generator)
      }
      guard bytes != intact else { continue }
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      #expect(verdict() != nil, "seed \(seed)")
    }
  }

  @Test func checkListsEveryDamagedPlace() throws {
    let file = try ContainerFile(path: path)
    let tokenizer = try #require(file.sections.first { $0.name == "tokenizer" })
    var bytes = intact
    let broken = [file.entries[0], file.entries[9], file.entries[20]]
    bytes[Int(tokenizer.offset)] ^= 1
    for entry in broken { bytes[Int(entry.frames[0].offset)] ^= 0x80 }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    let text = verdict()?.description ?? ""
    #expect(text.hasPrefix("\(path): 4 places are damaged: section 'tokenizer' at byte "))
    for entry in broken { #expect(text.contains("tensor '\(entry.name)' frame 0 at byte ")) }
  }

  @Test func readingOneTensorNeedsNothingElse() throws {
    let checkpoint = try Checkpoint.random(.small(), seed: 11)
    let role = TensorRole.block(.vision, index: 0, .value, .weight)
    let first = try ContainerFile(path: path)
    let kept = try #require(first.entry(role))
    let data = try #require(first.sections.last)
    let tokenizer = try #require(first.sections.first { $0.name == "tokenizer" })
    var bytes = intact
    for offset in Int(data.offset)..<bytes.count
    where !(kept.frames[0].offset..<kept.frames[0].end).contains(UInt64(offset)) {
      bytes[offset] ^= 0xFF
    }
    for offset in tokenizer.offset..<tokenizer.end { bytes[Int(offset)] ^= 0xFF }
    try Data(bytes).write(to: URL(fileURLWithPath: path))

    let file = try ContainerFile(path: path)
    #expect(try file.tensor(role).array == checkpoint.tensors[role]?.array)
    #expect {
      try file.tensor(.classToken)
    } throws: { error in
      "\(error)".contains("tensor 'vision.classToken' frame 0 at byte ")
        && "\(error)".contains(": is damaged: its checksum does not match; copy or convert")
    }
    #expect(throws: DeclipError.self) { try file.tokenizer() }
  }
}
