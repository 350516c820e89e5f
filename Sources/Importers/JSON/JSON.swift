import Files
import Model

/// A value of a JSON document together with its place in the file.
struct JSON: Sendable {
  /// What the value is.
  enum Value: Sendable {
    case null
    case bool(Bool)
    /// A number without fraction and exponent that fits 64 bits.
    case integer(Int)
    /// Any other number, as it is spelled.
    case number(spelling: String)
    case string(String)
    case array([JSON])
    case object(Object)
  }

  /// The members of an object in the order of the file; keys are distinct byte by byte.
  struct Object: Sendable {
    /// A key and its value.
    struct Member: Sendable {
      let key: String
      let value: JSON
    }

    let members: [Member]
    /// Places in `members`; empty for few members, which are searched one by one.
    let places: [ByteString: Int]

    subscript(key: String) -> JSON? {
      if places.isEmpty {
        return members.first { ByteString($0.key) == ByteString(key) }?.value
      }
      return places[ByteString(key)].map { members[$0].value }
    }
  }

  let value: Value
  /// Where the value starts, in bytes from the start of the file.
  let offset: UInt64
}

extension JSON {
  /// Parses a whole JSON document that starts `fileOffset` bytes into its file.
  ///
  /// Throws `badData` with the offset for invalid UTF-8, for anything RFC 8259 does not allow,
  /// for a key that occurs twice in an object, for deep nesting, and for more than `budget`
  /// allows, by default that of the document alone.
  static func parse(
    _ bytes: ByteView, fileOffset: UInt64 = 0, budget: MemoryBudget? = nil
  ) throws(DeclipError) -> JSON {
    let budget = budget ?? MemoryBudget(fileSize: bytes.count)
    return try bytes.withUnsafeBytes { bytes throws(DeclipError) in
      var parser = JSONParser(bytes: bytes, fileOffset: fileOffset, budget: budget)
      return try parser.document()
    }
  }

  /// Maps and parses the file at `path`; errors name it.
  static func read(path: String) throws(DeclipError) -> JSON {
    let file = try MappedFile(path: path)
    do {
      return try parse(file.bytes)
    } catch {
      throw error.inFile(path)
    }
  }

  /// The value in words, for errors.
  var described: String {
    switch value {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let spelling): spelling.count > 40 ? spelling.prefix(40) + "…" : spelling
    case .string(let text): quoted(text, limit: 40)
    case .array: "an array"
    case .object: "an object"
    }
  }

  var array: [JSON]? {
    if case .array(let values) = value { values } else { nil }
  }

  var object: Object? {
    if case .object(let object) = value { object } else { nil }
  }

  var string: String? {
    if case .string(let text) = value { text } else { nil }
  }

  var integer: Int? {
    if case .integer(let number) = value { number } else { nil }
  }

  var positiveInteger: Int? {
    guard case .integer(let number) = value, number > 0 else { return nil }
    return number
  }

  var bool: Bool? {
    if case .bool(let flag) = value { flag } else { nil }
  }

  /// Any number as the nearest binary64; infinite beyond its range.
  var double: Double? {
    switch value {
    case .integer(let number): Double(number)
    case .number(let spelling): Double(spelling)
    default: nil
    }
  }
}

extension JSON {
  /// The member that a path of keys leads to; nil where it is absent, null or not in an object.
  func member(_ keys: [String]) -> JSON? {
    var current = self
    for key in keys {
      guard let next = current.object?[key] else { return nil }
      current = next
    }
    if case .null = current.value { return nil }
    return current
  }
}
