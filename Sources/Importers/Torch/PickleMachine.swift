import Files
import Model

/// A machine that reads a pickle without executing anything: the stack, the memo and the objects.
///
/// Every opcode adds a bounded number of values, so time is linear in the length of the pickle;
/// what is kept comes out of the file's memory budget. Methods for single opcodes are in the
/// extensions.
struct PickleMachine {
  /// The objects made so far.
  private(set) var objects: [PickleObject] = []
  private var stack: [PickleValue] = []
  /// The heights of the stack at which marks were set.
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  private let bytes: [UInt8]
  private let fileOffset: UInt64
  private let budget: MemoryBudget
  /// What has been paid for.
  private var paid = PickleCounts()
  /// The bytes of texts, elements of collections and tensors that are not yet paid for.
  private var unpaid = 0
  /// The next byte.
  private var position = 0
  /// Where the opcode that is executed starts.
  private var start = 0

  init(_ bytes: ByteView, fileOffset: UInt64, budget: MemoryBudget) throws(DeclipError) {
    try budget.take(bytes.count, place: "pickle")
    self.budget = budget
    self.bytes = bytes.withUnsafeBytes { Array($0) }
    self.fileOffset = fileOffset
  }

  /// Reads to the end of the pickle and returns its value.
  mutating func run() throws(DeclipError) -> PickleValue {
    while true {
      start = position
      let byte = try number(UInt8.self)
      guard let opcode = PickleOpcode(rawValue: byte) else {
        throw problem(
          "opcode 0x\(String(byte, radix: 16)) is none that checkpoints use",
          remedy: "check that the file was written by torch.save")
      }
      if opcode == .stop { break }
      try execute(opcode)
      try settle()
    }
    let root = try pop()
    guard stack.isEmpty, marks.isEmpty else { throw problem("ends with values left over") }
    guard position == bytes.count else {
      throw problem("\(bytes.count - position) bytes follow its end")
    }
    return root
  }

  /// Pays for what the last opcode added. The stack and its marks are paid for up to their
  /// greatest heights.
  private mutating func settle() throws(DeclipError) {
    let counts = PickleCounts(
      objects: objects.count, stack: max(paid.stack, stack.count),
      marks: max(paid.marks, marks.count), memo: memo.count)
    let cost = counts.cost - paid.cost + unpaid
    guard cost > 0 else { return }
    do {
      try budget.take(cost)
    } catch {
      throw problem(error.problem, expected: error.expected, remedy: error.remedy)
    }
    (paid, unpaid) = (counts, 0)
  }

  /// Notes bytes that are kept beside the counted tables.
  mutating func note(_ bytes: Int) { unpaid += bytes }

  /// An error at the opcode that is executed.
  func problem(_ problem: String, expected: String? = nil, remedy: String? = nil) -> DeclipError {
    DeclipError(
      .badData, problem, place: "pickle", offset: fileOffset + UInt64(start), expected: expected,
      remedy: remedy)
  }
}

/// How many values the tables of a machine hold, and what they cost at most: tables grow by
/// doubling, so that an old one and one twice as large may exist at once.
struct PickleCounts {
  var objects = 0
  var stack = 0
  var marks = 0
  var memo = 0

  var cost: Int { 176 * objects + 48 * stack + 24 * marks + 112 * memo }

  /// An element of a list.
  static let elementCost = 48
  /// A key and its value in a dictionary, and their place among the tensors of a state dict.
  static let itemCost = 320
}

extension PickleObject {
  /// What the object costs beside its place in the table of objects.
  fileprivate var cost: Int {
    switch self {
    case .text(let text): text.utf8.count > 15 ? text.utf8.count + 32 : 0
    case .tuple(let items): 48 + items.count * MemoryLayout<PickleValue>.stride
    case .list(let items): 64 + items.elements.count * PickleCounts.elementCost
    case .dictionary(let items): 64 + items.elements.count * PickleCounts.itemCost
    case .storage(let storage): storage.key.utf8.count
    case .tensor(let tensor): 256 + 2 * tensor.shape.count * MemoryLayout<Int>.stride
    case .ignored: 0
    }
  }
}

// MARK: - Reading

extension PickleMachine {
  /// The next number, lowest byte first.
  mutating func number<Number: FixedWidthInteger>(
    _: Number.Type = Number.self
  ) throws(DeclipError) -> Number {
    var number: Number = 0
    for (index, byte) in try take(UInt64(Number.bitWidth / 8)).enumerated() {
      number |= Number(truncatingIfNeeded: byte) << Number(index * 8)
    }
    return number
  }

  /// The next `count` bytes.
  mutating func take(_ count: UInt64) throws(DeclipError) -> ArraySlice<UInt8> {
    try checkRemaining(count)
    defer { position += Int(count) }
    return bytes[position..<position + Int(count)]
  }

  /// Checks that at least `count` bytes follow.
  func checkRemaining(_ count: UInt64) throws(DeclipError) {
    guard count <= UInt64(bytes.count - position) else {
      throw problem(
        "\(count) bytes reach beyond its end", remedy: "the file may be damaged; fetch it again")
    }
  }

  /// The text up to the next line feed, which is passed over.
  mutating func line() throws(DeclipError) -> String {
    guard let end = bytes[position...].firstIndex(of: 0x0A) else {
      throw problem("a line does not end")
    }
    let line = try text(take(UInt64(end - position)))
    position += 1
    return line
  }

  /// The text that UTF-8 stands for.
  func text(_ bytes: ArraySlice<UInt8>) throws(DeclipError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw problem("a text is not UTF-8")
    }
    return text
  }
}

// MARK: - Stack, memo, objects

extension PickleMachine {
  mutating func push(_ value: PickleValue) { stack.append(value) }

  /// Makes an object and puts it on the stack.
  mutating func push(_ object: PickleObject) {
    note(object.cost)
    stack.append(.object(objects.count))
    objects.append(object)
  }

  /// Takes the topmost value; what lies below the last mark is out of reach.
  mutating func pop() throws(DeclipError) -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.popLast() else {
      throw problem("takes a value that is not there")
    }
    return value
  }

  /// Takes all values above the last mark, and the mark.
  mutating func popToMark() throws(DeclipError) -> [PickleValue] {
    guard let mark = marks.popLast(), mark <= stack.count else {
      throw problem("returns to a mark that was not set")
    }
    // An array of their own: a slice would have the whole stack copied when it next changes.
    let values = Array(stack[mark...])
    stack.removeLast(values.count)
    return values
  }

  /// The topmost value, which stays.
  func top() throws(DeclipError) -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.last else {
      throw problem("needs a value that is not there")
    }
    return value
  }

  mutating func setMark() { marks.append(stack.count) }

  /// Takes the topmost value, or the last mark where nothing lies above it.
  mutating func popValueOrMark() throws(DeclipError) {
    if let mark = marks.last, mark == stack.count {
      marks.removeLast()
    } else {
      _ = try pop()
    }
  }

  /// Memorises the topmost value under `key`, or under the number of values memorised so far.
  mutating func memorise(_ key: Int? = nil) throws(DeclipError) {
    memo[key ?? memo.count] = try top()
  }

  mutating func recall(_ key: Int) throws(DeclipError) {
    guard let value = memo[key] else { throw problem("recalls value \(key), which is not there") }
    push(value)
  }

  /// The object that a value stands for, nil for a scalar.
  func object(_ value: PickleValue) -> PickleObject? {
    guard case .object(let index) = value else { return nil }
    return objects[index]
  }

  /// Appends to a list; to an object that is ignored, the values are ignored too.
  mutating func append(
    _ values: [PickleValue], to target: PickleValue
  ) throws(DeclipError) {
    guard case .object(let index) = target else { throw problem("appends to a scalar") }
    switch objects[index] {
    case .ignored: break
    case .list(let items):
      note(values.count * PickleCounts.elementCost)
      for value in values { items.append(value) }
    default: throw problem("appends to \(objects[index].described)")
    }
  }

  /// Sets items, keys and values in turn, of a dictionary.
  mutating func setItems(
    _ values: [PickleValue], of target: PickleValue
  ) throws(DeclipError) {
    guard case .object(let index) = target else { throw problem("sets items of a scalar") }
    guard values.count.isMultiple(of: 2) else { throw problem("sets an item without a value") }
    switch objects[index] {
    case .ignored: break
    case .dictionary(let items):
      note(values.count / 2 * PickleCounts.itemCost)
      for place in stride(from: values.startIndex, to: values.endIndex, by: 2) {
        items.append((values[place], values[place + 1]))
      }
    default: throw problem("sets items of \(objects[index].described)")
    }
  }
}
