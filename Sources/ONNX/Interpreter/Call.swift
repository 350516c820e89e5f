import Model

/// One execution of a node: its operands and attributes, checked as they are asked for.
struct Call {
  let node: Node
  let inputs: [Value?]
  let opset: Int
  let memory: Allowance
  let work: WorkLimit

  // MARK: Operands

  /// Whether an optional operand is given.
  func has(_ index: Int) -> Bool { inputs.indices.contains(index) && inputs[index] != nil }

  /// Operand `index`.
  func input(_ index: Int) throws(DeclipError) -> Value {
    guard inputs.indices.contains(index), let value = inputs[index] else {
      throw error("input \(index) is missing", expected: "\(index + 1) inputs")
    }
    return value
  }

  /// Operand `index`, nil where it is left out.
  func optional(_ index: Int) -> Value? {
    inputs.indices.contains(index) ? inputs[index] : nil
  }

  /// The two operands of a node that has no others.
  func pair() throws(DeclipError) -> (Value, Value) {
    try require(inputs.count == 2, "has \(inputs.count) inputs", expected: "2")
    return (try input(0), try input(1))
  }

  /// The floats of an operand.
  func floats(_ index: Int) throws(DeclipError) -> [Float] {
    let value = try input(index)
    guard let floats = value.floats else {
      throw error("input \(index) holds \(value.elementType)", expected: "floating point")
    }
    return floats
  }

  /// The integers of an operand.
  func integers(_ index: Int) throws(DeclipError) -> [Int] {
    let value = try input(index)
    guard let integers = value.integers else {
      throw error("input \(index) holds \(value.elementType)", expected: "integers")
    }
    try take(integers.count, bytes: 8)
    return integers.map { Int($0) }
  }

  /// The only element of an operand.
  func scalar(_ index: Int) throws(DeclipError) -> Float {
    let value = try input(index)
    guard value.count == 1 else {
      throw error("input \(index) has \(value.count) elements", expected: "one")
    }
    switch value.elements {
    case .floats(let values): return values[0]
    case .integers(let values): return Float(values[0])
    }
  }

  // MARK: Attributes

  /// An integer attribute.
  func integer(_ name: String, default fallback: Int) throws(DeclipError) -> Int {
    guard let attribute = node.attributes[name] else { return fallback }
    guard case .integer(let value) = attribute else {
      throw error("the attribute '\(name)' is no integer", expected: "an integer")
    }
    return Int(value)
  }

  /// A float attribute.
  func float(_ name: String, default fallback: Float) throws(DeclipError) -> Float {
    guard let attribute = node.attributes[name] else { return fallback }
    guard case .float(let value) = attribute else {
      throw error("the attribute '\(name)' is no number", expected: "a number")
    }
    return value
  }

  /// A text attribute.
  func string(_ name: String, default fallback: String) throws(DeclipError) -> String {
    guard let attribute = node.attributes[name] else { return fallback }
    guard case .string(let value) = attribute else {
      throw error("the attribute '\(name)' is no text", expected: "a text")
    }
    return value
  }

  /// An attribute of several integers; nil where it is left out.
  func integers(_ name: String) throws(DeclipError) -> [Int]? {
    guard let attribute = node.attributes[name] else { return nil }
    guard case .integers(let values) = attribute else {
      throw error("the attribute '\(name)' holds no integers", expected: "integers")
    }
    return values.map { Int($0) }
  }

  /// An operand of integers where it is given, else the attribute of that name, which older
  /// operator sets have in its place.
  func integers(input index: Int, or name: String) throws(DeclipError) -> [Int]? {
    has(index) ? try integers(index) : try integers(name)
  }

  // MARK: Axes and sizes

  /// An axis of a tensor of `rank`, counted from the end where it is negative.
  func axis(_ axis: Int, rank: Int) throws(DeclipError) -> Int {
    guard axis >= -rank, axis < rank else {
      throw error("the axis \(axis) is not one of \(rank)", expected: "\(-rank) to \(rank - 1)")
    }
    return axis < 0 ? axis + rank : axis
  }

  /// The most elements of `bytes` each that there is room for.
  func elementLimit(bytes: Int = 8) -> Int { min(Int(Int32.max), memory.left / bytes) }

  /// The number of elements of a result, room for which is taken: `bytes` for each element, with
  /// whatever else a node needs for it.
  @discardableResult
  func count(_ shape: [Int], bytes: Int = 8) throws(DeclipError) -> Int {
    let limit = elementLimit(bytes: bytes)
    guard shape.count <= largestRank, let count = elementCount(shape, upTo: limit) else {
      throw error(
        "the result would have the extents \(shape.prefix(largestRank))",
        expected: "at most \(largestRank) extents and \(limit) elements",
        remedy: Self.smallerInput)
    }
    try take(count, bytes: bytes)
    return count
  }

  /// Takes room for `count` times `bytes`.
  func take(_ count: Int, bytes: Int) throws(DeclipError) {
    guard memory.take(count, bytes: bytes) else {
      throw error(
        "needs room for \(count) x \(bytes) bytes", expected: "at most \(memory.left) bytes",
        remedy: Self.smallerInput)
    }
  }

  /// Spends `count` times `each` steps of work; what a node's operands and results cost by their
  /// mere number is spent without it.
  func spend(_ count: Int, each: Int = 1) throws(DeclipError) {
    guard work.spend(count, each: each) else {
      throw error(
        "computes more than a file of its size has reason to",
        expected: "work in proportion to the file", remedy: Self.smallerInput)
    }
  }

  // MARK: Errors

  /// An error at this node.
  func error(
    _ problem: String, expected: String? = nil, remedy: String? = nil
  ) -> DeclipError {
    DeclipError(.badData, problem, place: node.place, expected: expected, remedy: remedy)
  }

  /// What to do where a graph takes more than a file of its size may.
  private static let smallerInput = "export with a smaller input"

  /// Numbers for an error, which may be as many as an operand has elements.
  func list<Number>(_ numbers: [Number]) -> String {
    numbers.count <= 8 ? "\(numbers)" : "\(numbers.count) numbers, \(numbers.prefix(8)) …"
  }

  /// Throws where `condition` does not hold.
  func require(
    _ condition: Bool, _ problem: @autoclosure () -> String, expected: String? = nil
  ) throws(DeclipError) {
    if !condition { throw error(problem(), expected: expected) }
  }
}
