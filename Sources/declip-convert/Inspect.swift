import ArgumentParser
import Container
import DeCLIP
import Foundation
import Terminal

/// `declip-convert inspect FILE`.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print a .declip file's architecture, sections, tensors and totals.",
    discussion: """
      Of weights in int8 also the bits of their values and how the rows are quantised that they \
      multiply: by row, by one scale and zero point for all rows, or not at all (float).
      """)

  @Argument(help: "The .declip file.")
  var file: String

  @Flag(help: "Leave out the list of tensors.")
  var brief = false

  func run() throws {
    try reporting {
      let container = try ContainerFile(path: file)
      print("\(file): format \(container.formatVersion), written by \(container.toolVersion)")
      print("")
      print("architecture: \(container.architecture.summary)")
      print(try architectureText(container.architecture))
      print("")
      print(sections(container))
      if !container.provenance.isEmpty {
        print("")
        print("provenance")
        for (key, value) in container.provenance.sorted(by: { $0.key < $1.key }) {
          print("  \(key): \(value)")
        }
      }
      if let calibration = try container.calibration() {
        print("")
        print("calibration")
        print(try text(ofCalibration: calibration))
      }
      if !brief {
        print("")
        print(tensors(container))
      }
      print("")
      print(totals(container))
    }
  }

  private func architectureText(_ architecture: Architecture) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return String(decoding: try encoder.encode(architecture), as: UTF8.self)
  }

  private func sections(_ container: ContainerFile) -> String {
    var table = Table([
      ("section", .left), ("offset", .right), ("stored", .right), ("decoded", .right),
      ("required", .left),
    ])
    for section in container.sections {
      table.add([
        section.name, String(section.offset), Format.bytes(section.length),
        Format.bytes(section.decodedLength), section.isRequired ? "yes" : "no",
      ])
    }
    return table.text
  }

  /// A calibration record by lines; lists of numbers, such as histograms, by their length alone.
  private func text(ofCalibration json: String) throws -> String {
    let value = try JSONSerialization.jsonObject(with: Data(json.utf8))
    let data = try JSONSerialization.data(
      withJSONObject: shortened(value), options: [.prettyPrinted, .sortedKeys])
    return String(decoding: data, as: UTF8.self)
  }

  private func shortened(_ value: Any) -> Any {
    if let object = value as? [String: Any] { return object.mapValues(shortened) }
    guard let list = value as? [Any] else { return value }
    if list.count > 8, list.allSatisfy({ $0 is NSNumber }) { return "\(list.count) numbers" }
    return list.map(shortened)
  }

  private func tensors(_ container: ContainerFile) -> String {
    let isQuantized = container.quantization != nil
    var table = Table(
      [
        ("tensor", .left), ("type", .left), ("shape", .left), ("size", .right),
        ("stored", .right), ("ratio", .right),
      ] + (isQuantized ? [("bits", .right), ("input", .left)] : []))
    for entry in container.entries {
      let layer = entry.role.flatMap { container.quantization?.layers[$0] }
      table.add([
        entry.name, entry.dataType.rawValue,
        "[" + entry.shape.map(String.init).joined(separator: ", ") + "]",
        Format.bytes(entry.decodedBytes), Format.bytes(entry.storedBytes),
        ratio(entry.storedBytes, entry.decodedBytes),
        layer.map { "\($0.weightBits)" } ?? "", layer?.input.description ?? "",
      ])
    }
    return table.text
  }

  private func totals(_ container: ContainerFile) -> String {
    let parameters = container.entries.reduce(0) { $0 + $1.elementCount }
    let decoded = container.entries.reduce(0) { $0 + $1.decodedBytes }
    return "\(container.entries.count) tensors, \(Format.fixed(Double(parameters) / 1e6, 1)) M "
      + "parameters, \(Format.bytes(decoded)) decoded, \(Format.bytes(container.fileLength)) "
      + "on disk, ratio \(ratio(container.fileLength, decoded))"
  }

  private func ratio(_ stored: UInt64, _ decoded: UInt64) -> String {
    Format.fixed(Double(stored) / Double(max(decoded, 1)), 3)
  }
}
