/// An ONNX file taken apart into fields, so that one can be changed and all lengths around it stay
/// true, or one length alone becomes a lie.
struct ProtobufTree {
  /// The messages whose fields are looked into.
  enum Message {
    case model, graph, node, attribute, tensor, entry, value, type, tensorType, shape, dimension
    case operators

    /// The kind of message in a field.
    func inner(_ number: Int) -> Message? {
      switch (self, number) {
      case (.model, 7): .graph
      case (.model, 8): .operators
      case (.graph, 1): .node
      case (.graph, 5): .tensor
      case (.graph, 11), (.graph, 12): .value
      case (.node, 5): .attribute
      case (.attribute, 5): .tensor
      case (.attribute, 6): .graph
      case (.tensor, 13): .entry
      case (.value, 2): .type
      case (.type, 1): .tensorType
      case (.tensorType, 2): .shape
      case (.shape, 1): .dimension
      default: nil
      }
    }
  }

  /// One field: a number, bytes, or further fields.
  struct Field {
    let owner: Message
    let number: Int
    let wire: UInt8
    /// Of a varint.
    var value: UInt64 = 0
    /// Of any other wire type without fields of its own.
    var bytes: [UInt8] = []
    var fields: [Field]?
    /// What the length says instead of the truth.
    var statedLength: UInt64?

    var text: String { String(decoding: bytes, as: UTF8.self) }
  }

  var fields: [Field]

  /// The tree of a whole file, which is valid.
  init(_ file: [UInt8]) { fields = Self.parse(file[...], .model) }

  private static func parse(_ bytes: ArraySlice<UInt8>, _ message: Message) -> [Field] {
    var rest = bytes
    func varint() -> UInt64 {
      var (value, shift): (UInt64, UInt64) = (0, 0)
      while let byte = rest.popFirst() {
        if shift < 64 { value |= UInt64(byte & 0x7f) << shift }
        shift += 7
        if byte < 0x80 { break }
      }
      return value
    }
    func take(_ count: Int) -> ArraySlice<UInt8> {
      defer { rest = rest.dropFirst(count) }
      return rest.prefix(count)
    }
    var fields: [Field] = []
    while !rest.isEmpty {
      let tag = varint()
      var field = Field(owner: message, number: Int(tag >> 3), wire: UInt8(tag & 7))
      switch field.wire {
      case 0: field.value = varint()
      case 1: field.bytes = Array(take(8))
      case 5: field.bytes = Array(take(4))
      default:
        let content = take(Int(varint()))
        if let inner = message.inner(field.number) {
          field.fields = parse(content, inner)
        } else {
          field.bytes = Array(content)
        }
      }
      fields.append(field)
    }
    return fields
  }

  /// The file.
  var bytes: [UInt8] { Self.encoded(fields) }

  private static func encoded(_ fields: [Field]) -> [UInt8] {
    var bytes: [UInt8] = []
    for field in fields {
      bytes += varint(UInt64(field.number) << 3 | UInt64(field.wire))
      switch field.wire {
      case 0: bytes += varint(field.value)
      case 1, 5: bytes += field.bytes
      default:
        let content = field.fields.map(encoded) ?? field.bytes
        bytes += varint(field.statedLength ?? UInt64(content.count)) + content
      }
    }
    return bytes
  }

  /// A number of seven bits a byte.
  static func varint(_ value: UInt64) -> [UInt8] {
    var (bytes, rest): ([UInt8], UInt64) = ([], value)
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7f) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  /// Where a field lies: its place among its siblings, from the outermost message in.
  typealias Place = [Int]

  /// The places of all fields that fulfil a condition.
  func places(where condition: (Field) -> Bool) -> [Place] {
    var places: [Place] = []
    func walk(_ fields: [Field], _ start: Place) {
      for (index, field) in fields.enumerated() {
        let place = start + [index]
        if condition(field) { places.append(place) }
        if let inner = field.fields { walk(inner, place) }
      }
    }
    walk(fields, [])
    return places
  }

  /// The field at a place.
  subscript(place: Place) -> Field {
    get { Self.field(fields, place[...]) }
    set { change(place) { $0[$1] = newValue } }
  }

  private static func field(_ fields: [Field], _ place: ArraySlice<Int>) -> Field {
    let field = fields[place[place.startIndex]]
    return place.count == 1 ? field : Self.field(field.fields ?? [], place.dropFirst())
  }

  /// Changes the siblings of the field at a place.
  mutating func change(_ place: Place, _ body: (inout [Field], Int) -> Void) {
    func descend(_ fields: inout [Field], _ place: ArraySlice<Int>) {
      let index = place[place.startIndex]
      if place.count == 1 { return body(&fields, index) }
      var inner = fields[index].fields ?? []
      fields[index].fields = nil
      descend(&inner, place.dropFirst())
      fields[index].fields = inner
    }
    descend(&fields, place[...])
  }
}
