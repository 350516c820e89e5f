import Model

/// Comparisons, logic, selection and conversion.
let comparisonOperators: [String: OperatorFunction] = [
  "Equal": comparison({ $0 == $1 }, { $0 == $1 }),
  "Greater": comparison({ $0 > $1 }, { $0 > $1 }),
  "GreaterOrEqual": comparison({ $0 >= $1 }, { $0 >= $1 }),
  "Less": comparison({ $0 < $1 }, { $0 < $1 }),
  "LessOrEqual": comparison({ $0 <= $1 }, { $0 <= $1 }),
  "And": logic { $0 & $1 },
  "Or": logic { $0 | $1 },
  "Xor": logic { $0 ^ $1 },
  "Not": { call throws(DeclipError) in
    let value = try call.input(0)
    let flags = try call.integers(0)
    try call.take(flags.count, bytes: 8)
    return [Value(flags.map { Int64($0 == 0 ? 1 : 0) }, shape: value.shape, type: .bool)]
  },
  "IsNaN": { call throws(DeclipError) in
    try call.take(try call.input(0).count, bytes: 8)
    let flags = try call.floats(0).map { Int64($0.isNaN ? 1 : 0) }
    return [Value(flags, shape: try call.input(0).shape, type: .bool)]
  },
  "IsInf": { call throws(DeclipError) in
    let positive = try call.integer("detect_positive", default: 1) != 0
    let negative = try call.integer("detect_negative", default: 1) != 0
    try call.take(try call.input(0).count, bytes: 8)
    let flags = try call.floats(0).map { value in
      Int64(value.isInfinite && (value > 0 ? positive : negative) ? 1 : 0)
    }
    return [Value(flags, shape: try call.input(0).shape, type: .bool)]
  },
  "Where": select,
  "Cast": { call throws(DeclipError) in
    let number = try call.integer("to", default: 0)
    guard let type = Int32(exactly: number).flatMap(ElementType.init(rawValue:)) else {
      throw call.error("casts to the element type number \(number)", expected: "a numeric type")
    }
    return [try cast(call, to: type)]
  },
  "CastLike": { call throws(DeclipError) in
    [try cast(call, to: try call.input(1).elementType)]
  },
]

private func comparison(
  _ onFloats: @escaping @Sendable (Float, Float) -> Bool,
  _ onIntegers: @escaping @Sendable (Int64, Int64) -> Bool
) -> OperatorFunction {
  { call throws(DeclipError) in
    let (first, second) = try call.pair()
    let shape = try call.broadcast(first.shape, second.shape)
    let flags: [Int64]
    switch (first.elements, second.elements) {
    case (.floats(let a), .floats(let b)):
      flags = call.zip(a, first.shape, b, second.shape, shape) { onFloats($0, $1) ? 1 : 0 }
    case (.integers(let a), .integers(let b)):
      flags = call.zip(a, first.shape, b, second.shape, shape) { onIntegers($0, $1) ? 1 : 0 }
    default:
      throw call.error(
        "compares \(first.elementType) with \(second.elementType)", expected: "one element type")
    }
    return [Value(flags, shape: shape, type: .bool)]
  }
}

private func logic(_ function: @escaping @Sendable (Int64, Int64) -> Int64) -> OperatorFunction {
  { call throws(DeclipError) in
    let (first, second) = try call.pair()
    guard let a = first.integers, let b = second.integers else {
      throw call.error("an operand is floating point", expected: "booleans")
    }
    let shape = try call.broadcast(first.shape, second.shape)
    let flags = call.zip(a, first.shape, b, second.shape, shape, function)
    return [Value(flags, shape: shape, type: .bool)]
  }
}

private let select: OperatorFunction = { call throws(DeclipError) in
  let (condition, first, second) = (try call.input(0), try call.input(1), try call.input(2))
  let inner = try call.broadcast(first.shape, second.shape)
  // The three operands, extended, beside the result.
  let shape = try call.broadcast(condition.shape, inner, bytes: 8 + 3 * first.width)
  guard let flags = condition.integers.map({ call.expanded($0, condition.shape, to: shape) })
  else { throw call.error("the condition is floating point", expected: "booleans") }
  func chosen<Element>(_ a: [Element], _ b: [Element]) -> [Element] {
    let a = call.expanded(a, first.shape, to: shape)
    let b = call.expanded(b, second.shape, to: shape)
    return flags.indices.map { flags[$0] != 0 ? a[$0] : b[$0] }
  }
  switch (first.elements, second.elements) {
  case (.floats(let a), .floats(let b)):
    return [Value(chosen(a, b), shape: shape, type: first.elementType)]
  case (.integers(let a), .integers(let b)):
    return [Value(chosen(a, b), shape: shape, type: first.elementType)]
  default:
    throw call.error(
      "chooses between \(first.elementType) and \(second.elementType)",
      expected: "one element type")
  }
}

private func cast(_ call: Call, to type: ElementType) throws(DeclipError) -> Value {
  let value = try call.input(0)
  try call.take(value.count, bytes: 8)
  return switch value.elements {
  case .floats(let values):
    type.isFloat
      ? Value(values, shape: value.shape, type: type)
      : Value(values.map { integer($0, type) }, shape: value.shape, type: type)
  case .integers(let values):
    type.isFloat
      ? Value(values.map { Float($0) }, shape: value.shape, type: type)
      : Value(values.map { wrapped($0, type) }, shape: value.shape, type: type)
  }
}
