import Model

/// One execution of a node: its operands and attributes, checked as they are asked for.
struct Call {
  let node: Node
  let inputs: [Value?]
  let opset: Int
  let elementLimit: Int

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

  /// The number of elements of a result.
  @discardableResult
  func count(_ shape: [Int]) throws(DeclipError) -> Int {
    guard let count = elementCount(shape, upTo: elementLimit) else {
      throw error(
        "the result would have the extents \(shape)", expected: "at most \(elementLimit) elements")
    }
    return count
  }

  // MARK: Errors

  /// An error at this node.
  func error(_ problem: String, expected: String? = nil) -> DeclipError {
    DeclipError(.badData, problem, place: node.place, expected: expected)
  }

  /// Throws where `condition` does not hold.
  func require(
    _ condition: Bool, _ problem: @autoclosure () -> String, expected: String? = nil
  ) throws(DeclipError) {
    if !condition { throw error(problem(), expected: expected) }
  }
}
