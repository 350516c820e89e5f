import Model

/// The header of a `.npy` file: a Python dictionary with element type, order and shape.
struct NumPyHeader {
  static let magic: [UInt8] = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
  /// More than any header of plain numbers takes.
  private static let maximumLength = 1 << 16

  let dataType: DataType
  let shape: [Int]
  /// Where the elements start.
  let end: Int

  /// Reads the header at the start of a file; throws `badData`.
  init(_ bytes: UnsafeRawBufferPointer) throws(DeclipError) {
    guard bytes.count >= 10, bytes.starts(with: NumPyHeader.magic) else {
      throw DeclipError(.badData, "is not a .npy file")
    }
    guard bytes[6] == 1 || bytes[6] == 2 else {
      throw DeclipError(
        .badData, "is of .npy format \(bytes[6]).\(bytes[7])", offset: 6,
        expected: "format 1.0 or 2.0")
    }
    let start = bytes[6] == 1 ? 10 : 12
    var length = Int(bytes[8]) | Int(bytes[9]) << 8
    if bytes[6] == 2, bytes.count >= 12 { length |= Int(bytes[10]) << 16 | Int(bytes[11]) << 24 }
    guard length <= NumPyHeader.maximumLength, start + length <= bytes.count else {
      throw DeclipError(
        .badData, "the header claims \(length) bytes", offset: 8,
        expected: "at most \(min(NumPyHeader.maximumLength, max(0, bytes.count - start)))")
    }
    end = start + length
    var parser = NumPyHeaderParser(Array(bytes[start..<end]), offset: start)
    let entries = try parser.entries()
    if case .truth(true)? = entries["fortran_order"] {
      throw DeclipError(
        .badData, "the array is stored column by column (Fortran order)", place: "header",
        expected: "C order", remedy: "save numpy.ascontiguousarray(array) instead")
    }
    guard case .text(let type)? = entries["descr"], case .truth? = entries["fortran_order"],
      case .numbers(let shape)? = entries["shape"]
    else {
      throw DeclipError(
        .badData, "the header is incomplete", place: "header",
        expected: "'descr', 'fortran_order' and 'shape' of one array of numbers")
    }
    let types: [String: DataType] = ["<f2": .float16, "<f4": .float32, "<f8": .float64]
    guard let dataType = types[type] else {
      throw DeclipError(
        .badData, "the elements are of type '\(type)'", place: "header",
        expected: "'<f4', '<f2' or '<f8'", remedy: "save array.astype('<f4') instead")
    }
    self.dataType = dataType
    self.shape = shape
  }
}

/// A reader of the few Python literals that occur in `.npy` headers.
struct NumPyHeaderParser {
  /// A value of the dictionary.
  enum Value: Hashable {
    case text(String)
    case truth(Bool)
    case numbers([Int])
  }

  private let bytes: [UInt8]
  private let offset: Int
  private var at = 0

  /// A parser of `bytes`, which lie at `offset` of their file.
  init(_ bytes: [UInt8], offset: Int) {
    self.bytes = bytes
    self.offset = offset
  }

  /// The entries of the dictionary; throws `badData` where it is none.
  mutating func entries() throws(DeclipError) -> [String: Value] {
    var entries: [String: Value] = [:]
    try expect("{")
    while !take("}") {
      let key = try text()
      try expect(":")
      entries[key] = try value()
      if !take(",") {
        try expect("}")
        break
      }
    }
    return entries
  }

  private mutating func value() throws(DeclipError) -> Value {
    switch peek() {
    case UInt8(ascii: "'"), UInt8(ascii: "\""): return .text(try text())
    case UInt8(ascii: "("): return .numbers(try numbers())
    default:
      if takeWord("True") { return .truth(true) }
      if takeWord("False") { return .truth(false) }
      throw unexpected("a string, a tuple, True or False")
    }
  }

  private mutating func text() throws(DeclipError) -> String {
    guard let quote = peek(), quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
      throw unexpected("a string")
    }
    guard let end = bytes[(at + 1)...].firstIndex(of: quote) else {
      throw unexpected("a string that ends")
    }
    defer { at = end + 1 }
    return String(decoding: bytes[(at + 1)..<end], as: UTF8.self)
  }

  private mutating func numbers() throws(DeclipError) -> [Int] {
    var numbers: [Int] = []
    try expect("(")
    while !take(")") {
      numbers.append(try number())
      // NumPy itself knows no more than 64 axes.
      if numbers.count > 64 { throw unexpected("at most 64 axes") }
      if !take(",") {
        try expect(")")
        break
      }
    }
    return numbers
  }

  private mutating func number() throws(DeclipError) -> Int {
    skipSpaces()
    let digits = bytes[at...].prefix { 0x30...0x39 ~= $0 }
    guard let number = Int(String(decoding: digits, as: UTF8.self)) else {
      throw unexpected("a number of elements")
    }
    at += digits.count
    return number
  }

  private mutating func skipSpaces() {
    while at < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[at]) { at += 1 }
  }

  private mutating func peek() -> UInt8? {
    skipSpaces()
    return at < bytes.count ? bytes[at] : nil
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    at += 1
    return true
  }

  private mutating func takeWord(_ word: String) -> Bool {
    guard bytes[at...].starts(with: word.utf8) else { return false }
    at += word.utf8.count
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(DeclipError) {
    if !take(character) { throw unexpected("'\(character)'") }
  }

  private func unexpected(_ expected: String) -> DeclipError {
    DeclipError(
      .badData, "the header cannot be read", place: "header", offset: UInt64(offset + at),
      expected: expected)
  }
}
