import Foundation
import Testing

@testable import Container
@testable import Model

/// Files with weights in int8, made with intent: every checksum is right, and something else is not.
@Suite struct QuantizedLieTests {
  let folder: Folder
  let path: String
  let original: Forgery

  init() throws {
    folder = try Folder()
    path = folder.path + "/model.declip"
    var options = ContainerOptions.test
    options.compression = .none
    let checkpoint = try Checkpoint.random(.small(hasText: false), seed: 61, tokenizer: nil)
    try ContainerWriter.write(checkpoint.quantized(seed: 62), to: path, options: options)
    original = try Forgery(of: path)
  }

  private func verdict(_ lie: (inout Forgery) throws -> Void) throws -> String {
    var forgery = original
    try lie(&forgery)
    try Data(forgery.bytes).write(to: URL(fileURLWithPath: path))
    do throws(DeclipError) {
      try ContainerFile(path: path).check()
      return ""
    } catch {
      #expect(error.kind == .badData)
      #expect(error.file == path)
      return String(error.description.dropFirst(path.count + 2))
    }
  }

  /// What is said when a text of the record is replaced by another.
  private func record(_ old: String, _ new: String) throws -> String {
    let text = String(decoding: original["quantization"].content, as: UTF8.self)
    try #require(text.contains(old))
    return try verdict {
      $0["quantization"].content = Array(text.replacingOccurrences(of: old, with: new).utf8)
    }
  }

  private let query = "\"vision.block[0].attention.query.weight\":"

  @Test func recordThatIsNot() throws {
    #expect(try verdict { _ in } == "")
    #expect(
      try verdict { $0["quantization"].content = Array("{".utf8) }
        .hasPrefix("section 'quantization': is not what this tool understands: it is not JSON"))
    #expect(try record("\"layers\"", "\"layer\"").contains("key 'layers' is missing"))
    #expect(
      try record(query, "\"vision.block[3].attention.query.weight\":")
        == "quantization of 'vision.block[3].attention.query.weight': is not part of the model")
    #expect(try record("\"kind\":\"row\"", "\"kind\":\"column\"").contains("has an unknown value"))
    #expect(
      try record("\"bits\":8,\"kind\":\"row\"", "\"kind\":\"row\"")
        .contains("lacks what inputs of kind 'row' need, expected bits"))
    #expect(
      try record(",\"zeroPoint\":0", "")
        .contains("lacks what inputs of kind 'tensor' need, expected bits, scale and zeroPoint"))
    #expect(
      try record("\"zeroPoint\":0", "\"zeroPoint\":1000").contains("of zero point 1000"))
    #expect(try record("\"zeroPoint\":0", "\"zeroPoint\":0.5").contains("section 'quantization'"))
    #expect(try record("\"scale\":0.0173", "\"scale\":1e99").contains("quantization"))
    #expect(try record("\"bits\":8", "\"bits\":5").contains("has inputs of 5 bits"))
    #expect(try record("\"bits\":15", "\"bits\":16").contains("has inputs of 16 bits"))
    // Readers before it refuse them anywhere, this one where no product takes them.
    #expect(
      try record("\"bits\":8", "\"bits\":15")
        == "quantization of 'vision.block[0].mlp.gate.weight': has inputs of 15 bits, "
        + "expected 7 or 8")
    #expect(
      try record(
        "\"bits\":15,\"kind\":\"row\"",
        "\"bits\":15,\"kind\":\"tensor\",\"scale\":1,\"zeroPoint\":0"
      ) == "quantization of 'vision.block[0].attention.output.weight': has inputs of 15 bits, "
        + "expected 7 or 8, or 14 or 15 with a scale for each row")
    #expect(
      try record("\"scoreBits\":13", "\"scoreBits\":12")
        == "quantization of the attention of block 0: has scores of 12 bits and values of 12, "
        + "expected scores of 7, 8 or 13, values of 7, 8 or 12")
    #expect(try record("\"scoreBits\":13", "\"scoreBits\":7") == "")
    #expect(
      try record("\"attention\":[", "\"attention\":[{\"scoreBits\":8,\"valueBits\":8},")
        == "quantization: describes the attention of 2 blocks, expected 1, as the vision tower has")
    // Readers before it knew of no such key; without it all is bytes.
    #expect(try record("\"attention\":", "\"other\":") == "")
  }

  @Test func recordAndTensorsDisagree() throws {
    let text = try verdict { forgery in forgery.parts.removeAll { $0.name == "quantization" } }
    #expect(text.contains("surplus: vision.patchEmbedding.scales"))
    #expect(text.contains("of a wrong type: vision.patchEmbedding.weight i8 not a float"))
    let entries = try #require(original.entries)
    let weight = try #require(entries.firstIndex { $0.name.contains("query.weight") })
    let scales = try #require(entries.firstIndex { $0.name.contains("query.scales") })
    #expect(
      try verdict { $0.replace(weight, dataType: .uint8) }
        .contains("vision.block[0].attention.query.weight u8 not i8"))
    #expect(
      try verdict { $0.replace(scales, dataType: .int32) }
        .contains("vision.block[0].attention.query.scales i32 not f32"))
    #expect(
      try verdict { $0.replace(scales, name: "scales") }
        .contains("1 missing: vision.block[0].attention.query.scales; 1 surplus: scales"))
  }

  /// Replaces the first byte or bytes of an entry of uncompressed data, checksum and all.
  private func patch(_ name: String, _ bytes: [UInt8], in forgery: inout Forgery) throws {
    let entries = try #require(forgery.entries)
    let index = try #require(entries.firstIndex { $0.name == name })
    let start = try #require(entries.first?.frames.first).offset
    let frame = entries[index].frames[0]
    let place = Int(frame.offset - start)
    var data = forgery["data"]
    data.content.replaceSubrange(place..<place + bytes.count, with: bytes)
    forgery["data"] = data
    let stored = Array(data.content[place..<place + frame.storedLength])
    forgery.replace(
      index,
      frames: [
        .init(
          offset: frame.offset, storedLength: frame.storedLength,
          decodedLength: frame.decodedLength, checksum: Checksum.of(stored))
      ])
  }

  @Test func integersAndScalesThatCannotBe() throws {
    let name = "vision.block[0].attention.query"
    func text(_ tensor: String, _ bytes: [UInt8]) throws -> String {
      try verdict { try patch(name + tensor, bytes, in: &$0) }
    }
    #expect(
      try text(".weight", [0x80]).hasPrefix("tensor '\(name).weight': holds -128, expected -"))
    for value in [Float.nan, .infinity, -1] {
      let bytes = withUnsafeBytes(of: value) { Array($0) }
      #expect(
        try text(".scales", bytes)
          == "tensor '\(name).weight': has a scale that is no finite number of 0 or more")
    }
    #expect(try text(".scales", [0, 0, 0, 0]) == "")
    // A file that is only opened names the tensor when it is read.
    var forgery = original
    try patch(name + ".weight", [0x80], in: &forgery)
    try Data(forgery.bytes).write(to: URL(fileURLWithPath: path))
    let file = try ContainerFile(path: path)
    var values = [Float](repeating: 0, count: 256)
    #expect(throws: DeclipError.self) {
      try values.withUnsafeMutableBufferPointer {
        try file.read(.block(.vision, index: 0, .query, .weight), into: $0)
      }
    }
  }

  @Test func calibrationThatIsNot() throws {
    func text(_ json: String) throws -> String {
      try verdict {
        $0["calibration"] = .init(name: "calibration", content: Array(json.utf8))
      }
    }
    #expect(try text("{\"anything\":[1,{}]}") == "")
    #expect(try text("7").contains("section 'calibration': is not a JSON object"))
    #expect(try text("{").contains("section 'calibration': is not a JSON object: it is not JSON"))
  }
}
