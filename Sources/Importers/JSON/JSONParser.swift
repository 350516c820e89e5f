import Files
import Model

/// A strict recursive-descent parser of RFC 8259 over untrusted bytes.
struct JSONParser {
  /// The deepest nesting of arrays and objects.
  static let largestDepth = 64
  /// What a value costs, as an element of an array that grows by doubling.
  private static let valueCost = 128
  /// What a member costs beside its value: its place in the object and in a table of keys, and
  /// once more in what is made of the object.
  private static let memberCost = 320
  /// What an array or object costs that is not empty.
  private static let collectionCost = 64

  let bytes: UnsafeRawBufferPointer
  let fileOffset: UInt64
  var position = 0
  private var depth = 0
  private let budget: MemoryBudget

  init(bytes: UnsafeRawBufferPointer, fileOffset: UInt64, budget: MemoryBudget) {
    self.bytes = bytes
    self.fileOffset = fileOffset
    self.budget = budget
  }

  /// The whole document: one value and nothing after it but white space.
  mutating func document() throws(DeclipError) -> JSON {
    if let place = firstInvalidUTF8(in: bytes) {
      throw DeclipError(.badData, "invalid UTF-8", offset: fileOffset + UInt64(place))
    }
    skipSpace()
    let value = try value()
    skipSpace()
    guard position == bytes.count else { throw unexpected("the end of the document") }
    return value
  }

  private mutating func value() throws(DeclipError) -> JSON {
    try take(Self.valueCost)
    let start = here
    switch peek {
    case UInt8(ascii: "{"): return JSON(value: .object(try object()), offset: start)
    case UInt8(ascii: "["): return JSON(value: .array(try array()), offset: start)
    case UInt8(ascii: "\""): return JSON(value: .string(try string()), offset: start)
    case UInt8(ascii: "-"): return JSON(value: try number(), offset: start)
    case _ where digit != nil: return JSON(value: try number(), offset: start)
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: throw unexpected("a value")
    }
  }

  private mutating func word(_ word: StaticString, _ value: JSON.Value) throws(DeclipError) -> JSON
  {
    let start = here
    for byte in UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount) {
      guard peek == byte else { throw unexpected("'\(word)'") }
      position += 1
    }
    return JSON(value: value, offset: start)
  }

  private mutating func array() throws(DeclipError) -> [JSON] {
    try enter()
    defer { depth -= 1 }
    var values: [JSON] = []
    skipSpace()
    if take("]") { return values }
    try take(Self.collectionCost)
    while true {
      skipSpace()
      values.append(try value())
      skipSpace()
      if take("]") { return values }
      guard take(",") else { throw unexpected("',' or ']'") }
    }
  }

  private mutating func object() throws(DeclipError) -> JSON.Object {
    try enter()
    defer { depth -= 1 }
    var members: [JSON.Object.Member] = []
    var places: [ByteString: Int] = [:]
    skipSpace()
    if take("}") { return JSON.Object(members: [], places: [:]) }
    try take(Self.collectionCost)
    while true {
      skipSpace()
      guard peek == UInt8(ascii: "\"") else { throw unexpected("a key in quotes") }
      let start = here
      try take(Self.memberCost)
      let key = try string()
      try register(key, at: start, after: members, in: &places)
      skipSpace()
      guard take(":") else { throw unexpected("':'") }
      skipSpace()
      members.append(.init(key: key, value: try value()))
      skipSpace()
      if take("}") { return JSON.Object(members: members, places: places) }
      guard take(",") else { throw unexpected("',' or '}'") }
    }
  }

  /// Refuses a key that the object already has. Most objects have few members and need no table.
  private func register(
    _ key: String, at start: UInt64, after members: [JSON.Object.Member],
    in places: inout [ByteString: Int]
  ) throws(DeclipError) {
    let isNew: Bool
    if members.count < 8 {
      isNew = !members.contains { ByteString($0.key) == ByteString(key) }
    } else {
      if places.isEmpty {
        for (place, member) in members.enumerated() { places[ByteString(member.key)] = place }
      }
      isNew = places.updateValue(members.count, forKey: ByteString(key)) == nil
    }
    guard isNew else {
      throw DeclipError(.badData, "key \(quoted(key)) occurs twice in an object", offset: start)
    }
  }

  private mutating func enter() throws(DeclipError) {
    depth += 1
    guard depth <= Self.largestDepth else {
      throw DeclipError(
        .badData, "JSON nested deeper than \(Self.largestDepth) levels", offset: here)
    }
    position += 1
  }
}

extension JSONParser {
  /// Takes bytes from the budget.
  func take(_ bytes: Int) throws(DeclipError) {
    do {
      try budget.take(bytes)
    } catch {
      var error = error
      error.offset = here
      throw error
    }
  }

  private mutating func number() throws(DeclipError) -> JSON.Value {
    let start = position
    let isNegative = take("-")
    let digits = position
    var magnitude = 0
    var fits = true
    while let digit = self.digit {
      // Accumulated below zero, where 64 bits reach one further.
      let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
      let (sum, borrow) = product.subtractingReportingOverflow(digit)
      magnitude = sum
      fits = fits && !overflow && !borrow
      position += 1
    }
    guard position > digits else { throw unexpected("a digit") }
    if position - digits > 1, bytes[digits] == UInt8(ascii: "0") {
      position = digits + 1
      throw unexpected("no digit after a leading 0")
    }
    var isInteger = true
    if take(".") {
      isInteger = false
      try skipDigits()
    }
    if take("e") || take("E") {
      isInteger = false
      if !take("+") { _ = take("-") }
      try skipDigits()
    }
    if isInteger && fits && (isNegative || magnitude != .min) {
      return .integer(isNegative ? magnitude : -magnitude)
    }
    let spelling = UnsafeRawBufferPointer(rebasing: bytes[start..<position])
    try take(spelling.count)
    return .number(spelling: String(decoding: spelling, as: UTF8.self))
  }

  private mutating func skipDigits() throws(DeclipError) {
    guard digit != nil else { throw unexpected("a digit") }
    while digit != nil { position += 1 }
  }

  private var digit: Int? {
    guard let byte = peek, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
    return Int(byte - UInt8(ascii: "0"))
  }
}

extension JSONParser {
  /// The next byte, nil at the end.
  var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  /// The place of the next byte in the file.
  var here: UInt64 { fileOffset + UInt64(position) }

  /// Steps over `character` where it comes next.
  mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  mutating func skipSpace() {
    while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  /// The error that something else than `expected` comes next.
  func unexpected(_ expected: String) -> DeclipError {
    guard position < bytes.count else {
      return DeclipError(
        .badData, "invalid JSON: the document ends", offset: here, expected: expected)
    }
    let rest = UnsafeRawBufferPointer(rebasing: bytes[position..<min(position + 4, bytes.count)])
    let first = String(decoding: rest, as: UTF8.self).unicodeScalars.prefix(1)
    return DeclipError(
      .badData, "invalid JSON: \(quoted(String(first)))", offset: here, expected: expected)
  }
}
