import Model

extension PickleMachine {
  /// Executes one opcode other than `stop`, whose arguments follow.
  mutating func execute(_ opcode: PickleOpcode) throws(DeclipError) {
    switch opcode {
    case .stop: break
    case .proto: try checkProtocol()
    case .frame: try checkFrame()
    case .mark: setMark()
    case .pop: try popValueOrMark()
    case .popMark: _ = try popToMark()
    case .dup: push(try top())

    case .none: push(PickleValue.none)
    case .newTrue: push(.bool(true))
    case .newFalse: push(.bool(false))
    case .binInt: push(.integer(Int(try number(Int32.self))))
    case .binInt1: push(.integer(Int(try number(UInt8.self))))
    case .binInt2: push(.integer(Int(try number(UInt16.self))))
    case .long1: try pushLong(length: UInt64(try number(UInt8.self)))
    case .long4: try pushLong(length: UInt64(try number(UInt32.self)))
    case .binFloat: push(.number(Double(bitPattern: try number(UInt64.self).byteSwapped)))

    case .shortBinUnicode: try pushText(length: UInt64(try number(UInt8.self)))
    case .binUnicode: try pushText(length: UInt64(try number(UInt32.self)))
    case .binUnicode8: try pushText(length: try number())
    case .shortBinString: try pushString(length: UInt64(try number(UInt8.self)))
    case .binString: try pushString(length: UInt64(try number(UInt32.self)))
    case .shortBinBytes: try pushBytes(length: UInt64(try number(UInt8.self)))
    case .binBytes: try pushBytes(length: UInt64(try number(UInt32.self)))
    case .binBytes8, .byteArray8: try pushBytes(length: try number())

    case .emptyTuple: push(.tuple([]))
    case .tuple: push(.tuple(try popToMark()))
    case .tuple1: try pushTuple(1)
    case .tuple2: try pushTuple(2)
    case .tuple3: try pushTuple(3)
    case .emptyList: push(.list(PickleItems()))
    case .list: push(.list(PickleItems(try popToMark())))
    case .emptyDict: push(.dictionary(PickleItems()))
    case .dict: try pushDictionary()
    case .emptySet: push(.ignored)
    case .frozenSet: try ignoreToMark()
    case .append, .appends, .addItems, .setItem, .setItems: try fill(opcode)

    case .get: try recall(try decimal())
    case .binGet: try recall(Int(try number(UInt8.self)))
    case .longBinGet: try recall(Int(try number(UInt32.self)))
    case .put: try memorise(try decimal())
    case .binPut: try memorise(Int(try number(UInt8.self)))
    case .longBinPut: try memorise(Int(try number(UInt32.self)))
    case .memoize: try memorise()

    case .global: push(.global(try global(module: try line(), name: try line())))
    case .inst: try refuseInstance()
    case .stackGlobal: try pushStackGlobal()
    case .reduce, .newObj: try call(try pop())
    case .newObjEx: try callWithKeywords()
    case .build: try build()
    case .binPersID: try pushStorage(try pop())
    }
  }

  private mutating func checkProtocol() throws(DeclipError) {
    let version = try number(UInt8.self)
    guard (2...5).contains(version) else {
      throw problem("protocol \(version) is unknown", expected: "protocol 2 to 5")
    }
  }

  /// An object as protocol 0 writes it, which torch.save never does.
  private mutating func refuseInstance() throws(DeclipError) {
    _ = try global(module: try line(), name: try line())
    throw problem("makes an object as only protocol 0 does", expected: "protocol 2 to 5")
  }

  /// A frame is only a hint for buffering.
  private mutating func checkFrame() throws(DeclipError) {
    let length = try number(UInt64.self)
    try checkRemaining(length)
  }

  private mutating func pushLong(length: UInt64) throws(DeclipError) {
    let bytes = try take(length)
    guard bytes.count <= 8 else {
      push(.ignored)
      return
    }
    // Two's complement: the highest bit of the last byte is the sign.
    var value: UInt64 = bytes.last.map { $0 & 0x80 != 0 } ?? false ? .max : 0
    for byte in bytes.reversed() { value = value << 8 | UInt64(byte) }
    push(.integer(Int(Int64(bitPattern: value))))
  }

  private mutating func pushText(length: UInt64) throws(DeclipError) {
    push(.text(try text(take(length))))
  }

  /// A string of Python 2, which has no encoding: a text where it can be one.
  private mutating func pushString(length: UInt64) throws(DeclipError) {
    let text = String(validating: try take(length), as: UTF8.self)
    push(text.map { .text($0) } ?? .ignored)
  }

  private mutating func pushBytes(length: UInt64) throws(DeclipError) {
    _ = try take(length)
    push(.ignored)
  }

  private mutating func pushTuple(_ count: Int) throws(DeclipError) {
    var items: [PickleValue] = []
    for _ in 0..<count { items.append(try pop()) }
    push(.tuple(items.reversed()))
  }

  private mutating func pushDictionary() throws(DeclipError) {
    let items = try popToMark()
    push(.dictionary(PickleItems()))
    try setItems(items, of: try top())
  }

  private mutating func ignoreToMark() throws(DeclipError) {
    _ = try popToMark()
    push(.ignored)
  }

  private mutating func fill(_ opcode: PickleOpcode) throws(DeclipError) {
    let values: [PickleValue]
    switch opcode {
    case .append: values = [try pop()]
    case .setItem:
      let value = try pop()
      values = [try pop(), value]
    default: values = try popToMark()
    }
    if opcode == .setItem || opcode == .setItems {
      try setItems(values, of: try top())
    } else {
      try append(values, to: try top())
    }
  }

  private mutating func decimal() throws(DeclipError) -> Int {
    let line = try line()
    guard let number = Int(line), number >= 0 else {
      throw problem("\(quoted(line, limit: 40)) is no number of a memorised value")
    }
    return number
  }
}
