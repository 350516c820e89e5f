import CZlib
import Foundation
import Model
import Testing

@testable import ONNX

/// One of the ONNX project's own node tests.
struct BackendCase: Sendable, CustomTestStringConvertible {
  let name: String
  let model: ByteView
  let inputs: [ByteView]
  let outputs: [ByteView]

  var testDescription: String { name }
}

/// The cases of `Tests/Goldens/onnx/backend.vectors.z`; its README has the format.
enum BackendVectors {
  static func cases() throws -> [BackendCase] {
    let file = try Data(contentsOf: goldens.appending(path: "backend.vectors.z"))
    let length = file.prefix(8).withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
    var content = [UInt8](repeating: 0, count: Int(length))
    var written = uLong(length)
    let packed = [UInt8](file.dropFirst(8))
    guard uncompress(&content, &written, packed, uLong(packed.count)) == Z_OK else {
      throw CocoaError(.fileReadCorruptFile)
    }
    var position = 0
    func record() -> [UInt8] {
      let length = content[position..<position + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
      position += 4 + length
      return Array(content[position - length..<position])
    }
    func records() -> [ByteView] {
      let count = record().reversed().reduce(0) { $0 << 8 | Int($1) }
      return (0..<count).map { _ in ByteView(record()) }
    }
    var cases: [BackendCase] = []
    while position < content.count {
      let name = String(decoding: record(), as: UTF8.self)
      cases.append(
        BackendCase(name: name, model: ByteView(record()), inputs: records(), outputs: records()))
    }
    return cases
  }
}

/// `Tests/Goldens/onnx`.
let goldens = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .appending(path: "Goldens/onnx")
