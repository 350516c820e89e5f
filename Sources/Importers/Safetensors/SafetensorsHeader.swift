import Files
import Model

/// The header of a safetensors file: what it says about every tensor, checked against the bytes
/// that are there.
///
/// A file is the header's length (8 bytes, little-endian), the header (a JSON object) and the
/// data, which the tensors cover without overlap and without holes.
struct SafetensorsHeader {
  /// A tensor as the header describes it.
  struct Entry {
    let name: String
    let element: SafetensorsElement
    let shape: [Int]
    /// The bytes of the tensor, counted from the start of the data.
    let range: Range<Int>
    /// Where the file describes the tensor.
    let offset: UInt64
  }

  /// The longest header that the format allows.
  static let largestLength = 100_000_000
  /// The most extents of a tensor, PyTorch's limit.
  fileprivate static let largestRank = 64

  /// The tensors in the order of the header.
  let entries: [Entry]
  /// The entries of `__metadata__`.
  let metadata: [String: String]
  /// Where the data starts in the file.
  let dataStart: Int

  /// Reads and checks the header of a whole file; throws `badData` for every way in which it can
  /// be untrue, and for more than `budget` allows.
  init(of file: ByteView, budget: MemoryBudget) throws(DeclipError) {
    let length = try Self.length(of: file)
    dataStart = 8 + length
    let json = try Self.object(of: file, length: length, budget: budget)
    try budget.take(json.members.count, bytes: SourceTensor.cost, place: "header")
    var entries: [Entry] = []
    var metadata: [String: String] = [:]
    for member in json.members {
      if member.key == "__metadata__" {
        metadata = try Self.metadata(member.value, budget: budget)
      } else {
        entries.append(try Entry(member.key, member.value, dataCount: file.count - dataStart))
      }
    }
    try Self.checkCoverage(of: entries, dataStart: dataStart, fileCount: file.count)
    self.entries = entries
    self.metadata = metadata
  }

  private static func length(of file: ByteView) throws(DeclipError) -> Int {
    guard let field = file.slice(offset: 0, length: 8) else {
      throw DeclipError(
        .badData, "holds \(file.count) bytes",
        expected: "at least the 8 bytes of a safetensors header's length")
    }
    let length = field.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    guard length <= UInt64(largestLength) else {
      throw DeclipError(
        .badData, "\(length) exceeds the limit of the format", place: "header length", offset: 0,
        expected: "at most \(largestLength)",
        remedy: "check that the file is a safetensors file")
    }
    guard length <= UInt64(file.count - 8) else {
      throw DeclipError(
        .badData, "\(length) reaches beyond the end of the file", place: "header length",
        offset: 0, expected: "at most the \(file.count - 8) bytes that follow",
        remedy: "the file may be truncated; fetch it again")
    }
    return Int(length)
  }

  private static func object(
    of file: ByteView, length: Int, budget: MemoryBudget
  ) throws(DeclipError) -> JSON.Object {
    guard let text = file.slice(offset: 8, length: UInt64(length)),
      text.withUnsafeBytes({ $0.first }) == UInt8(ascii: "{")
    else {
      throw DeclipError(
        .badData, "does not start with '{'", place: "header", offset: 8,
        remedy: "check that the file is a safetensors file")
    }
    let json: JSON
    do {
      json = try JSON.parse(text, fileOffset: 8, budget: budget)
    } catch {
      var error = error
      error.place = "header"
      throw error
    }
    guard let object = json.object else {
      throw DeclipError(.internal, "is no object", place: "header", offset: 8)
    }
    return object
  }

  private static func metadata(
    _ json: JSON, budget: MemoryBudget
  ) throws(DeclipError) -> [String: String] {
    guard let object = json.object else {
      throw DeclipError(
        .badData, "is \(json.described)", place: "'__metadata__'", offset: json.offset,
        expected: "an object of strings")
    }
    var metadata: [String: String] = [:]
    for member in object.members {
      guard let text = member.value.string else {
        throw DeclipError(
          .badData, "entry \(quoted(member.key)) is \(member.value.described)",
          place: "'__metadata__'", offset: member.value.offset, expected: "a string")
      }
      // Kept again with the checkpoint, under a longer key.
      try budget.take(512 + member.key.utf8.count, place: "'__metadata__'")
      metadata[member.key] = text
    }
    return metadata
  }

  /// Checks that the tensors cover the data from its first to its last byte, each byte once.
  private static func checkCoverage(
    of entries: [Entry], dataStart: Int, fileCount: Int
  ) throws(DeclipError) {
    let sorted = entries.sorted {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    var end = 0
    var last: Entry?
    for entry in sorted {
      let start = entry.range.lowerBound
      if start < end, let last {
        throw DeclipError(
          .badData, "data \(entry.bounds) overlap \(last.bounds) of tensor \(quoted(last.name))",
          place: entry.place, offset: entry.offset)
      }
      guard start == end else {
        throw DeclipError(
          .badData, "a hole of \(start - end) bytes lies before its data \(entry.bounds)",
          place: entry.place, offset: entry.offset, expected: "data from \(end)")
      }
      end = entry.range.upperBound
      last = entry
    }
    guard dataStart + end == fileCount else {
      throw DeclipError(
        .badData, "\(fileCount - dataStart - end) bytes follow the last tensor",
        offset: UInt64(dataStart + end), expected: "the end of the file")
    }
  }
}

extension SafetensorsHeader.Entry {
  /// The tensor for errors.
  var place: String { "tensor \(quoted(name))" }

  fileprivate var bounds: String { "[\(range.lowerBound), \(range.upperBound)]" }

  /// Reads the description of one tensor in data of `dataCount` bytes.
  fileprivate init(_ name: String, _ json: JSON, dataCount: Int) throws(DeclipError) {
    let problem = { (problem: String, json: JSON, expected: String?) in
      DeclipError(
        .badData, problem, place: "tensor \(quoted(name))", offset: json.offset,
        expected: expected)
    }
    guard let object = json.object else {
      throw problem("is described by \(json.described)", json, "an object")
    }
    for member in object.members where !["dtype", "shape", "data_offsets"].contains(member.key) {
      throw problem(
        "unknown field \(quoted(member.key))", member.value, "dtype, shape and data_offsets")
    }
    guard let type = object["dtype"] else { throw problem("has no dtype", json, nil) }
    guard let spelling = type.string else {
      throw problem("dtype is \(type.described)", type, "a string")
    }
    guard let element = SafetensorsElement(rawValue: spelling) else {
      let known = SafetensorsElement.allCases.map(\.rawValue).joined(separator: ", ")
      throw problem("unknown dtype \(quoted(spelling, limit: 40))", type, "one of \(known)")
    }
    guard let shapeField = object["shape"] else { throw problem("has no shape", json, nil) }
    guard let extents = shapeField.array else {
      throw problem("shape is \(shapeField.described)", shapeField, "an array of integers")
    }
    guard extents.count <= SafetensorsHeader.largestRank else {
      throw problem(
        "shape has \(extents.count) entries", shapeField,
        "at most \(SafetensorsHeader.largestRank)")
    }
    var shape: [Int] = []
    for extent in extents {
      guard let value = extent.integer, value >= 0 else {
        throw problem(
          "shape has the entry \(extent.described)", extent, "integers of 0 to \(Int.max)")
      }
      shape.append(value)
    }
    guard let offsets = object["data_offsets"] else {
      throw problem("has no data_offsets", json, nil)
    }
    guard let bounds = offsets.array, bounds.count == 2, let start = bounds[0].integer,
      let end = bounds[1].integer, start >= 0, start <= end
    else {
      let found = offsets.array.map { "[\($0.prefix(3).map(\.described).joined(separator: ", "))]" }
      throw problem(
        "data_offsets are \(found ?? offsets.described)", offsets, "two ascending integers")
    }
    guard end <= dataCount else {
      throw problem(
        "data [\(start), \(end)] lie outside the file", offsets,
        "an end of at most \(dataCount)")
    }
    guard let size = Self.size(of: shape, element) else {
      throw problem("\(element.rawValue) \(shape) takes more bytes than 64 bits count", json, nil)
    }
    guard size == end - start else {
      throw problem(
        "data [\(start), \(end)] are \(end - start) bytes", offsets,
        "\(size) bytes for \(element.rawValue) \(shape)")
    }
    self.init(
      name: name, element: element, shape: shape, range: start..<end, offset: json.offset)
  }

  /// The bytes that a tensor takes, nil on overflow.
  private static func size(of shape: [Int], _ element: SafetensorsElement) -> Int? {
    var size = element.byteWidth
    for extent in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: extent)
      guard !overflow else { return nil }
      size = product
    }
    return size
  }
}
