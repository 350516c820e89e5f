import Files
import Model

/// The elements of a tensor that are written into fields of their type, `float_data` to
/// `uint64_data` (formats/onnx.proto), in any number of packed runs and single fields.
///
/// They are counted first and then copied into memory of just that size; a single run of floats is
/// viewed in the file.
struct TypedElements {
  /// The fields: floats, doubles, and three of varints.
  static let numbers: Set = [floats, int32s, int64s, doubles, uint64s]
  private static let floats = 4
  private static let int32s = 5
  private static let int64s = 7
  private static let doubles = 10
  private static let uint64s = 11

  private let message: ByteView
  private let place: String
  /// The field that holds elements; nil before the first.
  private var number: Int?
  private var elements = 0
  private var runs = 0
  private var lastRun: ByteView?
  /// Whether there are no elements.
  var isEmpty: Bool { elements == 0 }

  /// The elements of a tensor's `message`, to be counted.
  init(_ message: ByteView, place: String) {
    self.message = message
    self.place = place
  }

  /// Counts the elements of one field of `numbers`; throws `badData` for elements in two of them.
  mutating func count(_ field: ProtobufFields.Field) throws(DeclipError) {
    if let content = field.content, content.count == 0 { return }
    guard number ?? field.number == field.number else {
      throw DeclipError(
        .badData, "holds elements of several types", place: place,
        expected: "one of float_data, int32_data, int64_data, double_data, uint64_data")
    }
    number = field.number
    runs += 1
    lastRun = field.content
    elements +=
      Self.width(field.number).map { (field.content?.count ?? $0) / $0 }
      ?? field.content.map { PackedVarints($0).count } ?? 1
  }

  /// The elements as `type` stores them; `needed` is what its extents take.
  func bytes(
    _ type: ElementType, needed: Int, _ title: String, budget: MemoryBudget
  ) throws(DeclipError) -> ByteView {
    let width = number.flatMap(Self.width) ?? type.byteWidth
    guard let number, elements.multipliedReportingOverflow(by: width) == (needed, false) else {
      throw DeclipError(
        .badData, "holds \(elements) elements of \(width) bytes for \(type)", place: title,
        expected: "\(needed) bytes")
    }
    if runs == 1, Self.width(number) != nil, let lastRun, lastRun.count == needed {
      return lastRun
    }
    try budget.take(needed, place: title)
    return try ByteView(count: needed) { target throws(DeclipError) in
      var place = 0
      func append(_ bytes: UnsafeRawBufferPointer) {
        guard place + bytes.count <= needed else { return }
        UnsafeMutableRawBufferPointer(rebasing: target[place..<place + bytes.count])
          .copyMemory(from: bytes)
        place += bytes.count
      }
      func append(_ value: UInt64) {
        withUnsafeBytes(of: value.littleEndian) { append(.init(rebasing: $0[..<width])) }
      }
      var fields = ProtobufFields(message, place: self.place)
      while let field = try fields.next() {
        guard field.number == number else { continue }
        if Self.width(number) != nil {
          // The tag of a single element takes one byte.
          let run = field.content ?? field.encoded.slice(offset: 1, length: UInt64(width))
          run?.withUnsafeBytes { append(.init(rebasing: $0[..<($0.count / width * width)])) }
        } else if let run = field.content {
          for value in PackedVarints(run) { append(value) }
        } else if let value = field.varint {
          append(value)
        }
      }
      // Fields of another wire type than the elements' leave a rest.
      target[place...].initializeMemory(as: UInt8.self, repeating: 0)
    }
  }

  /// The bytes of an element that is not a varint.
  private static func width(_ number: Int) -> Int? {
    switch number {
    case floats: 4
    case doubles: 8
    default: nil
    }
  }
}
