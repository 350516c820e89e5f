import Files
import Foundation
import Model
import Testing

@testable import ONNX

/// ONNX files that are not what they should be.
@Suite struct ReadingTests {
  /// A protobuf message written by hand.
  fileprivate struct Message {
    private(set) var bytes: [UInt8] = []

    func varint(_ number: Int, _ value: UInt64) -> Message {
      var copy = self
      copy.append(UInt64(number << 3))
      copy.append(value)
      return copy
    }

    func field(_ number: Int, _ content: [UInt8]) -> Message {
      var copy = self
      copy.append(UInt64(number << 3 | 2))
      copy.append(UInt64(content.count))
      copy.bytes += content
      return copy
    }

    func text(_ number: Int, _ text: String) -> Message { field(number, Array(text.utf8)) }

    func message(_ number: Int, _ other: Message) -> Message { field(number, other.bytes) }

    private mutating func append(_ value: UInt64) {
      var rest = value
      while rest >= 0x80 {
        bytes.append(UInt8(rest & 0x7f) | 0x80)
        rest >>= 7
      }
      bytes.append(UInt8(rest))
    }
  }

  private func model(_ graph: Message, opset: UInt64 = 17) -> ByteView {
    ByteView(
      Message().varint(1, 8).message(8, Message().text(1, "").varint(2, opset)).message(7, graph)
        .bytes)
  }

  private func tensor(_ dims: [UInt64], type: UInt64 = 1, name: String = "w") -> Message {
    dims.reduce(Message()) { $0.varint(1, $1) }.varint(2, type).text(8, name)
  }

  private func error(
    _ file: ByteView, path: String = "", allowsLinks: Bool = false
  ) -> String? {
    do throws(DeclipError) {
      _ = try ONNXFile.read(file, path: path, allowsLinks: allowsLinks)
      return nil
    } catch {
      return error.description
    }
  }

  private func error(_ tensor: Message) -> String? {
    error(model(Message().message(5, tensor)))
  }

  @Test func typedFieldsEqualRawBytes() throws {
    let floats: [Float] = [1, -2.5, 0x1p-140]
    let raw = floats.flatMap { withUnsafeBytes(of: $0) { Array($0) } }
    let cases: [Message] = [
      tensor([3]).field(9, raw), tensor([3]).field(4, raw),
      // Not packed: one field an element, of four bytes each.
      floats.reduce(tensor([3])) { message, value in
        var bytes = message.bytes + [4 << 3 | 5]
        bytes += withUnsafeBytes(of: value) { Array($0) }
        return Message(raw: bytes)
      },
    ]
    for message in cases {
      let read = try ONNXFile.tensor(ByteView(message.bytes))
      #expect(Value(read).floats == floats)
    }
    let half = tensor([2], type: 10).field(5, [0x80, 0x78, 0x00])
    #expect(Value(try ONNXFile.tensor(ByteView(half.bytes))).floats == [1, 0])
    let large = tensor([1], type: 7).varint(7, UInt64(bitPattern: -5))
    #expect(Value(try ONNXFile.tensor(ByteView(large.bytes))).integers == [-5])
  }

  /// Large tensors are widened in pieces of 2^22 elements.
  @Test func piecesOfLargeTensorsMeet() {
    let count = 1 << 23 | 5
    let bytes = ByteView(count: 2 * count) { bytes in
      for index in 0..<count {
        bytes.storeBytes(of: UInt16(index & 0x3fff), toByteOffset: 2 * index, as: UInt16.self)
      }
    }
    let stored = StoredTensor(name: "", elementType: .float16, shape: [count], bytes: bytes)
    let values = Value(stored).floats ?? []
    #expect(values.count == count)
    let wrong = values.indices.first {
      values[$0] != Float(Float16(bitPattern: UInt16($0 & 0x3fff)))
    }
    #expect(wrong == nil)
  }

  @Test func sizesAreChecked() {
    #expect(
      error(tensor([2, 3]).field(9, [0, 0, 0, 0]))
        == "tensor 'w': holds 4 bytes for float32 [2, 3], expected 24 bytes")
    #expect(
      error(tensor([1 << 40, 1 << 40]))
        == "tensor 'w': has the extents [1099511627776, 1099511627776], expected extents whose "
        + "product fits 64 bits")
    #expect(error(tensor([UInt64(bitPattern: -1)]))?.contains("has the extents [-1]") == true)
    #expect(
      error(tensor([1], type: 8))
        == "tensor 'w': has the element type number 8, expected a float, integer or bool type of "
        + "8 to 64 bits")
  }

  @Test func externalDataStaysInTheFolder() throws {
    let folder = NSTemporaryDirectory() + "onnx-\(UUID().uuidString)"
    let inner = folder + "/inner"
    try FileManager.default.createDirectory(atPath: inner, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Data([1, 2, 3, 4, 5, 6, 7, 8]).write(to: URL(filePath: folder + "/secret"))
    try Data([1, 2, 3, 4, 5, 6, 7, 8]).write(to: URL(filePath: inner + "/data"))
    try FileManager.default.createSymbolicLink(
      atPath: inner + "/link", withDestinationPath: "../secret")
    func external(_ entries: KeyValuePairs<String, String>) -> String? {
      var message = tensor([2], type: 1).varint(14, 1)
      for (key, value) in entries {
        message = message.message(13, Message().text(1, key).text(2, value))
      }
      return error(model(Message().message(5, message)), path: inner + "/model.onnx")
    }
    #expect(external(["location": "data"]) == nil)
    #expect(external(["location": "data", "offset": "0", "length": "8"]) == nil)
    for location in ["../secret", "/etc/passwd", "link", "", "a//b", "x/../../secret"] {
      #expect(
        external(["location": location])?.contains("lies outside the model's folder") == true,
        "\(location)")
    }
    #expect(
      external(["location": "data", "offset": "4"])?.contains("lies at byte 4 of data") == true)
    #expect(
      external(["location": "data", "offset": "18446744073709551615"])?
        .contains("which is 8 bytes long") == true)
    #expect(external(["location": "data", "offset": "x"])?.contains("expected a number") == true)
    #expect(external(["location": "data", "length": "9"])?.contains("has 9 bytes") == true)
    #expect(external(["location": "none"])?.contains("keep the file beside the model") == true)
  }

  /// A folder with a file outside of the model's, and links to it inside.
  private struct Links: ~Copyable {
    let folder = NSTemporaryDirectory() + "onnx-\(UUID().uuidString)"
    var model: String { folder + "/inner/model.onnx" }
    func inner(_ name: String) -> String { folder + "/inner/" + name }

    init() throws {
      try FileManager.default.createDirectory(
        atPath: folder + "/inner/deep", withIntermediateDirectories: true)
      for name in ["/secret", "/inner/deep/data"] {
        try Data([1, 2, 3, 4, 5, 6, 7, 8]).write(to: URL(filePath: folder + name))
      }
      for (name, target) in [
        ("symbolic", "../secret"), ("folder", ".."), ("own", "deep/data"),
        ("absolute", folder + "/inner/deep/data"),
      ] {
        try FileManager.default.createSymbolicLink(
          atPath: inner(name), withDestinationPath: target)
      }
      try FileManager.default.linkItem(atPath: folder + "/secret", toPath: inner("hard"))
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }
  }

  @Test func linksOutOfTheFolderMustBeAllowed() throws {
    let links = try Links()
    func external(_ location: String, allowsLinks: Bool = false) -> String? {
      let entry = Message().text(1, "location").text(2, location)
      let message = tensor([2], type: 1).varint(14, 1).message(13, entry)
      return error(
        model(Message().message(5, message)), path: links.model, allowsLinks: allowsLinks)
    }
    for location in ["deep/data", "own", "absolute"] {
      #expect(external(location) == nil, "\(location)")
    }
    for location in ["symbolic", "folder/secret"] {
      #expect(
        external(location)
          == "tensor 'w': its external data '\(location)' lies outside the model's folder, expected "
          + "a path below the model's folder; put the data file beside the model, or allow it to "
          + "be a link with --allow-external-links")
      #expect(external(location, allowsLinks: true) == nil)
    }
    #expect(
      external("hard")
        == "tensor 'w': its external data 'hard' has 2 names, of which others may lie outside the "
        + "model's folder, expected a file of its own; copy it, or allow it to be a link with "
        + "--allow-external-links")
    #expect(external("hard", allowsLinks: true) == nil)
    // Paths that leave the folder by themselves stay refused.
    for location in ["../secret", links.folder + "/secret"] {
      #expect(
        external(location, allowsLinks: true)?.contains("lies outside the model's folder") == true)
    }
  }

  /// What was opened is what is read, whatever takes its name afterwards.
  @Test func swappedDataIsNotRead() throws {
    let links = try Links()
    var data = ExternalData(
      beside: links.model, budget: MemoryBudget(fileSize: 100), allowsLinks: false)
    func first(_ data: inout ExternalData) throws -> UInt8? {
      try data.bytes(location: "deep/data", offset: 0, length: nil, needed: 8, place: "w")
        .withUnsafeBytes { $0.first }
    }
    #expect(try first(&data) == 1)
    try FileManager.default.removeItem(atPath: links.inner("deep/data"))
    try Data([9, 9, 9, 9, 9, 9, 9, 9]).write(to: URL(filePath: links.inner("deep/data")))
    #expect(try first(&data) == 1)
  }

  @Test func otherModelsAreNamed() {
    #expect(error(ByteView([])) == "holds no graph, expected an ONNX model")
    #expect(
      error(model(Message(), opset: 7))
        == "uses operator set 7, expected 11 to 23; export again with opset_version=18, or "
        + "use onnx.version_converter")
    #expect(
      error(ByteView([0x08, 0x08, 0x3a, 0x7f]))?.contains("protobuf encoding breaks") == true)
    #expect(error(ByteView([0x08]))?.contains("byte 1 of 1") == true)
    #expect(
      error(model(Message().message(5, tensor([0])).message(5, tensor([0]))))
        == "w: there are two initializers of this name")
  }

  @Test func missingOperatorsAreNamed() throws {
    let node = Message().text(2, "y").text(3, "last").text(4, "Loop")
    let output = Message().text(1, "y")
    let model = try ONNXFile.read(
      model(Message().message(1, node).message(12, output)), path: "")
    #expect(throws: DeclipError.self) { try Interpreter(model).run([:]) }
    do throws(DeclipError) {
      _ = try Interpreter(model).run([:])
    } catch {
      #expect(
        error.description
          == "node 'last' (Loop): the operator Loop is not supported, expected an operator of "
          + "formats/onnx-coverage.md, operator set 17")
    }
  }
}

extension ReadingTests.Message {
  fileprivate init(raw: [UInt8]) { bytes = raw }
}
