import Foundation
import Testing

@testable import Container
@testable import Model

/// Files made with intent: every checksum is right, and something else is not.
@Suite struct LieTests {
  let folder: Folder
  let path: String
  let original: Forgery

  init() throws {
    folder = try Folder()
    path = folder.path + "/model.declip"
    let checkpoint = try Checkpoint.random(.small(hasText: false), seed: 31, tokenizer: nil)
    try ContainerWriter.write(checkpoint, to: path, options: .test)
    original = try Forgery(of: path)
  }

  /// The text of what opening and checking the forged file says, without the path; "" for nothing.
  private func verdict(_ forgery: Forgery) throws -> String {
    try verdict(forgery.bytes)
  }

  private func verdict(_ bytes: [UInt8]) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    do throws(DeclipError) {
      try ContainerFile(path: path).check()
      return ""
    } catch {
      #expect(error.kind == .badData)
      #expect(error.file == path)
      return String(error.description.dropFirst(path.count + 2))
    }
  }

  private func verdict(_ lie: (inout Forgery) throws -> Void) throws -> String {
    var forgery = original
    try lie(&forgery)
    return try verdict(forgery)
  }

  private let remedy =
    "; the file was written by declip-convert 9.9.9 (format 1, this tool reads 1); use that "
    + "version or a newer one"

  @Test func forgeryWithoutLiesIsIntact() throws {
    #expect(try verdict(original) == "")
  }

  // MARK: Header and versions.

  @Test func otherFilesAreNoContainers() throws {
    #expect(try verdict([]) == "is not a .declip file: it has 0 bytes, expected 128 or more")
    #expect(
      try verdict([UInt8](repeating: 0x50, count: 300))
        == "is not a .declip file: its first bytes are others; convert a model with declip-convert")
  }

  @Test func fileForNewerReadersIsRefused() throws {
    let text = try verdict {
      $0.version = 3
      $0.minimumReader = 2
    }
    #expect(
      text == "header at byte 12: requires a reader of format 2; the file was written by "
        + "declip-convert 9.9.9 (format 3, this tool reads 1); use that version or a newer one")
  }

  @Test func newerFileForThisReaderIsRead() throws {
    #expect(try verdict { $0.version = 7 } == "")
    #expect(try verdict { $0.minimumReader = 0 }.contains("impossible versions"))
  }

  @Test func unknownOptionalSectionIsSkippedButChecked() throws {
    var forgery = original
    let extra = Forgery.Part(name: "thumbnail", content: [1, 2, 3])
    forgery.parts.insert(extra, at: 1)
    #expect(try verdict(forgery) == "")
    var bytes = forgery.bytes
    let offset = try #require(ContainerFile(path: path).sections.first { $0.name == "thumbnail" })
    bytes[Int(offset.offset)] = 7
    #expect(
      try verdict(bytes).hasPrefix("section 'thumbnail' at byte \(offset.offset): is damaged"))
  }

  @Test func unknownRequiredSectionIsRefused() throws {
    let text = try verdict {
      $0.parts.insert(.init(name: "sparsity", isRequired: true, content: [1, 2, 3]), at: 1)
    }
    #expect(text.hasPrefix("section 'sparsity' at byte "))
    #expect(text.hasSuffix(": is required and unknown to this tool" + remedy))
  }

  // MARK: Sections.

  @Test func sectionTableLies() throws {
    #expect(
      try verdict { $0.sectionCount = 65 }.contains("declares 65 sections, expected at most 64"))
    #expect(try verdict { $0.sectionCount = 64 }.contains("its checksum does not match"))
    #expect(try verdict { $0.fileLength = .max }.contains("header at byte 16: the file has"))
    #expect(try verdict { $0["tensors"].offset = 0 }.contains("overlaps what precedes it"))
    #expect(try verdict { $0["tensors"].offset = .max - 5 }.contains("is out of place"))
    #expect(try verdict { $0["data"].length = .max }.contains("reaches past the end of the file"))
    #expect(try verdict { $0["data"].length = 5 }.contains("bytes at the end to no section"))
    #expect(try verdict { $0.parts.append($0["provenance"]) }.contains("appears twice"))
    #expect(try verdict { $0["data"].isCompressed = true }.contains("flags that do not go"))
    #expect(
      try verdict { $0["data"].isChecksummedByParts = false }.contains("flags that do not go"))
    #expect(
      try verdict { $0["tensors"].isChecksummedByParts = true }.contains("flags that do not go"))
    #expect(try verdict { $0["provenance"].decodedLength = 1 << 40 }.contains("but declares"))
    #expect(try verdict { $0["provenance"].name = "pro venance" }.contains("no readable name"))
    for name in ["architecture", "tensors", "data"] {
      #expect(try verdict { forgery in forgery.parts.removeAll { $0.name == name } } != "")
    }
    let text = try verdict { forgery in forgery.parts.removeAll { $0.name == "architecture" } }
    #expect(text == "section 'architecture': is missing")
  }

  @Test func sectionBombsAreNotDecoded() throws {
    let zeros = [UInt8](repeating: 0, count: 33 << 20)
    let bomb = try zeros.withUnsafeBytes { try compressed($0) }
    let honest = try verdict {
      $0["architecture"] = .init(
        name: "architecture", isCompressed: true, content: bomb,
        decodedLength: UInt64(zeros.count))
    }
    #expect(honest.contains("section 'architecture'") && honest.contains("declares 34603008 bytes"))
    let lying = try verdict {
      $0["architecture"] = .init(
        name: "architecture", isCompressed: true, content: bomb, decodedLength: 1000)
    }
    #expect(lying.contains("its zstd frame declares another size, expected 1000 bytes"))
  }

  @Test func architectureLies() throws {
    func text(_ json: String) throws -> String {
      try verdict { $0["architecture"].content = Array(json.utf8) }
    }
    let good = String(decoding: original["architecture"].content, as: UTF8.self)
    #expect(try text(good) == "")
    #expect(
      try text("{") == "section 'architecture': is not what this tool understands: it is not JSON"
        + remedy)
    #expect(
      try text(good.replacingOccurrences(of: "eva02", with: "siglip2"))
        .contains("key 'family' has an unknown value"))
    #expect(
      try text(good.replacingOccurrences(of: "\"patchSize\":4", with: "\"patchSize\":\"4\""))
        .contains("key 'vision.patchSize' has another type"))
    #expect(
      try text(good.replacingOccurrences(of: "\"patchSize\"", with: "\"patch\""))
        .contains("key 'vision.patchSize' is missing"))
    #expect(
      try text(good.replacingOccurrences(of: "\"width\":16", with: "\"width\":4611686018427387904"))
        .contains("vision width 4611686018427387904, expected 1 to 262144"))
    #expect(try text(String(repeating: "[", count: 1 << 20)).contains("section 'architecture'"))
    #expect(
      try text(String(repeating: "{\"a\":", count: 1 << 18)).contains("section 'architecture'"))
    #expect(try text("\u{0}").contains("section 'architecture'"))
  }

  // MARK: Index.

  @Test func framesThatLieElsewhere() throws {
    let frames = try #require(original.entries).map { $0.frames[0] }
    func text(_ index: Int, _ frame: TensorEntry.Frame) throws -> String {
      try verdict { $0.replace(index, frames: [frame]) }
    }
    #expect(try text(3, frames[3].with(offset: frames[3].offset + 64)).contains("is out of place"))
    #expect(
      try text(3, frames[3].with(offset: frames[2].offset)).contains("overlaps what precedes it"))
    #expect(try text(3, frames[3].with(offset: 0)).contains("overlaps what precedes it"))
    #expect(try text(3, frames[3].with(offset: .max - 63)).contains("frame 0 is out of place"))
    let last = frames.count - 1
    #expect(
      try text(last, frames[last].with(storedLength: 1 << 31))
        .contains("frame 0 reaches past the end of section 'data'"))
    #expect(
      try text(last, frames[last].with(storedLength: 1)).contains("bytes that belong to no tensor"))
    #expect(try text(3, frames[3].with(storedLength: 0)).contains("stores 0 bytes"))
    #expect(try text(3, frames[3].with(decodedLength: 0)).contains("for 0, expected 1 to 4194304"))
    #expect(try text(3, frames[3].with(decodedLength: 5 << 20)).contains("expected 1 to 4194304"))
    #expect(try text(3, frames[3].with(decodedLength: 6)).contains("a multiple of 4"))
    #expect(try text(3, frames[3].with(decodedLength: 8)).contains("its frames decode to 8 bytes"))
  }

  @Test func countsThatCannotBe() throws {
    func text(at offset: Int, _ value: [UInt8]) throws -> String {
      try verdict {
        var content = TensorIndex($0.entries ?? []).encoded
        content.replaceSubrange(offset..<offset + value.count, with: value)
        $0["tensors"].content = content
        $0.entries = nil
      }
    }
    let huge: [UInt8] = [255, 255, 255, 255]
    #expect(try text(at: 0, huge).contains("in the middle of its content"))
    #expect(try text(at: 0, [0, 0, 0, 0]).contains("bytes after its content"))
    #expect(try text(at: 4, [1]).contains("reserved bytes"))
    #expect(try text(at: 16, huge).contains("declares 4294967295 frames, more than the index"))
    for (offset, value) in [(9, 9), (11, 4), (12, 2), (13, 1), (14, 2), (15, 1)] as [(Int, UInt8)] {
      #expect(try text(at: offset, [value]).contains("a type, storage or flag"), "byte \(offset)")
    }
    #expect(try text(at: 10, [9]).contains("rank 9, expected at most 8"))
    #expect(try text(at: 20, [0x20]).contains("no readable name"))
    #expect(try text(at: 20, [0xFF]).contains("not UTF-8"))
    // The name of the first tensor is 'vision.patchEmbedding.weight'; its shape comes next.
    #expect(
      try text(at: 48, [255, 255, 255, 255, 255, 255, 255, 255]).contains("an extent of 18446"))
    #expect(try text(at: 55, [0x40]).contains("has a shape too large"))
  }

  @Test func everyFaultOfTheTensorsIsNamed() throws {
    let text = try verdict {
      $0.replace(0, name: "vision.patchEmbedding.wait")
      $0.replace(1, shape: [4, 4])
      $0.replace(2, name: "vision.classTokens")
      // Same bytes, no float.
      $0.replace(3, dataType: .int32)
    }
    #expect(
      text == "tensors: 2 missing: vision.patchEmbedding.weight, vision.classToken; "
        + "2 surplus: vision.patchEmbedding.wait, vision.classTokens; 1 of a wrong shape: "
        + "vision.patchEmbedding.bias [4, 4] not [16]; 1 of a wrong type: "
        + "vision.positions i32 not a float, expected those of the architecture")
  }

  @Test func namesAreUnique() throws {
    #expect(
      try verdict { $0.append("vision.classToken", .float32, [0], stored: [], decoded: []) }
        == "tensor 'vision.classToken': appears twice in the index")
  }

  // MARK: Frames.

  private func zstd(_ count: Int) throws -> [UInt8] {
    try [UInt8](repeating: 0, count: count).withUnsafeBytes {
      try compressed($0)
    }
  }

  @Test func framesThatDecodeToAnotherSize() throws {
    let frame = try zstd(4096)
    #expect(try verdict { $0.append("x", .uint8, [4096], stored: [frame], decoded: [4096]) } == "")
    for count in [1, 4095, 4097, 4 << 20] {
      let text = try verdict { $0.append("x", .uint8, [count], stored: [frame], decoded: [count]) }
      #expect(text.hasPrefix("tensor 'x' frame 0 at byte "))
      #expect(text.contains("declares another size, expected \(count) bytes"))
    }
    let trailing = frame + [0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 7]
    #expect(
      try verdict { $0.append("x", .uint8, [4096], stored: [trailing], decoded: [4096]) }
        .contains("is not exactly one zstd frame"))
    #expect(
      try verdict {
        $0.append("x", .uint8, [4096], stored: [Array(frame.dropLast())], decoded: [4096])
      }.contains("is not exactly one zstd frame"))
    #expect(
      try verdict { $0.append("x", .uint8, [3], stored: [[1, 2, 3]], decoded: [3]) }
        .contains("declares another size"))
  }

  @Test func damageInsideZstdWithARightChecksumIsFound() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var generator = Seeded(seed)
    let content = (0..<5000).map { _ in UInt8.random(in: 0..<40, using: &generator) }
    let frame = try content.withUnsafeBytes { try compressed($0) }
    for _ in 0..<500 {
      var bad = frame
      bad[.random(in: bad.indices, using: &generator)] = .random(in: 0...255, using: &generator)
      // No crash and no byte outside; a wrong content is possible, the checksum is not there to
      // stop a forger.
      let text = try verdict { $0.append("x", .uint8, [5000], stored: [bad], decoded: [5000]) }
      #expect(text == "" || text.hasPrefix("tensor 'x' frame 0 at byte "), "seed \(seed)")
    }
  }

  @Test func uncompressedFramesHaveTheirOwnLength() throws {
    let bytes = [UInt8](repeating: 1, count: 100)
    func text(_ stored: [[UInt8]], _ decoded: [Int]) throws -> String {
      try verdict {
        $0.append(
          "x", .uint8, [decoded.reduce(0, +)], stored: stored, decoded: decoded, compression: .none)
      }
    }
    #expect(try text([bytes], [100]) == "")
    #expect(try text([bytes], [99]).contains("frame 0 stores 100 bytes for 99"))
    #expect(try text([bytes, bytes], [100, 100]).contains("a multiple of 64"))
    #expect(
      try verdict {
        $0.append(
          "x", .float32, [25], stored: [bytes], decoded: [100], transform: .bytePlanes,
          compression: .none)
      }.contains("byte planes where none can be"))
  }

  @Test func bitPlanesAreOfSignedBytesInEighths() throws {
    let planes = try zstd(14)
    func text(_ type: DataType, _ length: Int, _ transform: TensorEntry.Transform) throws -> String
    {
      try verdict {
        $0.append(
          "x", type, [length / type.byteWidth], stored: [planes], decoded: [length],
          transform: transform)
      }
    }
    #expect(try text(.int8, 16, .bitPlanes7) == "")
    // 16 integers of 8 bits take 16 bytes, not 14.
    #expect(try text(.int8, 16, .bitPlanes8).contains("declares another size, expected 16 bytes"))
    #expect(try text(.int8, 24, .bitPlanes7).contains("declares another size, expected 21 bytes"))
    #expect(try text(.int8, 15, .bitPlanes7).contains("a multiple of 8"))
    #expect(try text(.uint8, 16, .bitPlanes7).contains("bit planes where none can be"))
    #expect(try text(.float32, 16, .bitPlanes8).contains("bit planes where none can be"))
    #expect(try text(.int8, 16, .bytePlanes).contains("byte planes where none can be"))
  }

  @Test func tensorsThatExplodeAreRefused() throws {
    let frame = try zstd(4 << 20)
    let text = try verdict {
      $0.append(
        "bomb", .uint8, [70, 4 << 20], stored: .init(repeating: frame, count: 70),
        decoded: .init(repeating: 4 << 20, count: 70))
    }
    #expect(text.hasPrefix("section 'tensors': the tensors decode to 2936"))
    #expect(text.hasSuffix("expected at most 268435456"))
  }

  // MARK: Tokenizer.

  @Test func tokenizerLies() throws {
    let honest = try TokenizerData.small.encoded()
    func text(_ bytes: [UInt8]) throws -> String {
      try verdict { $0.parts.insert(.init(name: "tokenizer", content: bytes), at: 1) }
    }
    func changed(_ offset: Int, _ value: UInt8) -> [UInt8] {
      var bytes = honest
      bytes[offset] = value
      return bytes
    }
    #expect(try text(honest) == "")
    #expect(try text(changed(0, 40)).contains("special tokens [40, 39, 0] are not all"))
    #expect(try text(changed(15, 255)).contains("in the middle of its content"))
    #expect(try text(changed(19, 255)).contains("in the middle of its content"))
    #expect(try text(changed(16, 1)).contains("bytes after its content"))
    #expect(try text(changed(22, 0xFF)).contains("not UTF-8"))
    #expect(try text([]).contains("section 'tokenizer'"))
  }
}

/// `bytes` as one zstd frame.
private func compressed(_ bytes: UnsafeRawBufferPointer) throws -> [UInt8] {
  try ZstdCompressor(level: 3).compress(bytes, parts: [bytes.count]).withUnsafeBytes { Array($0) }
}
