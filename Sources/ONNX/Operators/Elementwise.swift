import Glibc
import Model

/// Operators that compute every element from the elements at its place.
let elementwiseOperators: [String: OperatorFunction] = [
  "Add": arithmetic({ $0 + $1 }, { $0 &+ $1 }),
  "Sub": arithmetic({ $0 - $1 }, { $0 &- $1 }),
  "Mul": arithmetic({ $0 * $1 }, { $0 &* $1 }),
  "Div": divide,
  "Mod": modulo,
  "Pow": power,
  "Min": folded({ $0 < $1 || $0.isNaN ? $0 : $1 }, { Swift.min($0, $1) }),
  "Max": folded({ $0 > $1 || $0.isNaN ? $0 : $1 }, { Swift.max($0, $1) }),
  "Sum": folded({ $0 + $1 }, { $0 &+ $1 }),
  "Mean": mean,
  "Sqrt": unary { $0.squareRoot() },
  "Exp": unary { expf($0) },
  "Log": unary { logf($0) },
  "Erf": unary { erff($0) },
  "Tanh": unary { tanhf($0) },
  "Sin": unary { sinf($0) },
  "Cos": unary { cosf($0) },
  "Floor": unary { $0.rounded(.down) },
  "Ceil": unary { $0.rounded(.up) },
  "Round": unary { $0.rounded(.toNearestOrEven) },
  "Reciprocal": unary { 1 / $0 },
  "Sigmoid": unary(sigmoid),
  "Softplus": unary { Swift.max($0, 0) + log1pf(expf(-abs($0))) },
  "Softsign": unary { $0 / (1 + abs($0)) },
  "Relu": signed({ Swift.max($0, 0) }, { Swift.max($0, 0) }),
  "Neg": signed({ -$0 }, { 0 &- $0 }),
  "Abs": signed({ abs($0) }, { $0 < 0 ? 0 &- $0 : $0 }),
  "Sign": signed({ $0.isNaN ? $0 : $0 > 0 ? 1 : $0 < 0 ? -1 : 0 }, { $0.signum() }),
  "Gelu": gelu,
  "QuickGelu": { call throws(DeclipError) in
    let alpha = try call.float("alpha", default: 1.702)
    return try mapped(call) { $0 * sigmoid(alpha * $0) }
  },
  "FastGelu": { call throws(DeclipError) in
    let sum = call.has(1) ? try arithmetic({ $0 + $1 }, { $0 &+ $1 })(call)[0] : try call.input(0)
    return [try replacing(call, sum, geluTanh)]
  },
  "LeakyRelu": { call throws(DeclipError) in
    let alpha = try call.float("alpha", default: 0.01)
    return try mapped(call) { $0 < 0 ? alpha * $0 : $0 }
  },
  "Elu": { call throws(DeclipError) in
    let alpha = try call.float("alpha", default: 1)
    return try mapped(call) { $0 < 0 ? alpha * expm1f($0) : $0 }
  },
  "Selu": { call throws(DeclipError) in
    let alpha = try call.float("alpha", default: 1.673_263_2)
    let gamma = try call.float("gamma", default: 1.050_701)
    return try mapped(call) { $0 > 0 ? gamma * $0 : gamma * alpha * expm1f($0) }
  },
  "HardSigmoid": { call throws(DeclipError) in
    let alpha = try call.float("alpha", default: 0.2)
    let beta = try call.float("beta", default: 0.5)
    return try mapped(call) { Swift.max(0, Swift.min(1, alpha * $0 + beta)) }
  },
  "HardSwish": unary { $0 * Swift.max(0, Swift.min(1, $0 / 6 + 0.5)) },
  "Clip": clip,
  "Identity": { call throws(DeclipError) in [try call.input(0)] },
  "Dropout": dropout,
]

private func sigmoid(_ x: Float) -> Float { 1 / (1 + expf(-x)) }

private func geluTanh(_ x: Float) -> Float {
  0.5 * x * (1 + tanhf(0.797_884_56 * (x + 0.044_715 * x * x * x)))
}

/// An operator on floats alone.
private func unary(_ function: @escaping @Sendable (Float) -> Float) -> OperatorFunction {
  { call throws(DeclipError) in try mapped(call, function) }
}

private func mapped(
  _ call: Call, _ function: (Float) -> Float
) throws(DeclipError) -> [Value] {
  [try replacing(call, try call.input(0), function)]
}

private func replacing(
  _ call: Call, _ value: Value, _ function: (Float) -> Float
) throws(DeclipError) -> Value {
  guard let floats = value.floats else {
    throw call.error("input 0 holds \(value.elementType)", expected: "floating point")
  }
  try call.take(floats.count, bytes: 4)
  return Value(floats.map(function), shape: value.shape, type: value.elementType)
}

/// An operator on floats and on integers.
private func signed(
  _ onFloats: @escaping @Sendable (Float) -> Float,
  _ onIntegers: @escaping @Sendable (Int64) -> Int64
) -> OperatorFunction {
  { call throws(DeclipError) in
    var value = try call.input(0)
    try call.take(value.count, bytes: value.width)
    switch value.elements {
    case .floats(let values): value.elements = .floats(values.map(onFloats))
    case .integers(let values):
      value.elements = .integers(values.map { wrapped(onIntegers($0), value.elementType) })
    }
    return [value]
  }
}

/// An operator on pairs, operands extended to common extents.
private func arithmetic(
  _ onFloats: @escaping @Sendable (Float, Float) -> Float,
  _ onIntegers: @escaping @Sendable (Int64, Int64) -> Int64
) -> OperatorFunction {
  { call throws(DeclipError) in
    let (first, second) = try call.pair()
    return [try combined(call, first, second, onFloats, onIntegers)]
  }
}

private func combined(
  _ call: Call, _ first: Value, _ second: Value, _ onFloats: (Float, Float) -> Float,
  _ onIntegers: (Int64, Int64) -> Int64
) throws(DeclipError) -> Value {
  let shape = try call.broadcast(first.shape, second.shape, bytes: first.width)
  switch (first.elements, second.elements) {
  case (.floats(let a), .floats(let b)):
    return Value(
      call.zip(a, first.shape, b, second.shape, shape, onFloats), shape: shape,
      type: first.elementType)
  case (.integers(let a), .integers(let b)):
    let type = first.elementType
    return Value(
      call.zip(a, first.shape, b, second.shape, shape) { wrapped(onIntegers($0, $1), type) },
      shape: shape, type: type)
  default:
    throw call.error(
      "the operands hold \(first.elementType) and \(second.elementType)",
      expected: "one element type")
  }
}

/// An operator on any number of operands, folded from the left.
private func folded(
  _ onFloats: @escaping @Sendable (Float, Float) -> Float,
  _ onIntegers: @escaping @Sendable (Int64, Int64) -> Int64
) -> OperatorFunction {
  { call throws(DeclipError) in
    var result = try call.input(0)
    for index in call.inputs.indices.dropFirst() {
      result = try combined(call, result, try call.input(index), onFloats, onIntegers)
    }
    return [result]
  }
}

private let mean: OperatorFunction = { call throws(DeclipError) in
  let sum = try folded({ $0 + $1 }, { $0 &+ $1 })(call)[0]
  let count = Float(call.inputs.count)
  return [try replacing(call, sum) { $0 / count }]
}

private let divide: OperatorFunction = { call throws(DeclipError) in
  if let divisors = try call.input(1).integers, divisors.contains(0) {
    throw call.error("divides integers by 0")
  }
  return try arithmetic({ $0 / $1 }, { $0.dividedReportingOverflow(by: $1).partialValue })(call)
}

private let modulo: OperatorFunction = { call throws(DeclipError) in
  if let divisors = try call.input(1).integers, divisors.contains(0) {
    throw call.error("divides integers by 0")
  }
  let keepsSign = try call.integer("fmod", default: 0) != 0
  return try arithmetic(
    { a, b in
      let rest = fmodf(a, b)
      return keepsSign || rest == 0 || (rest < 0) == (b < 0) ? rest : rest + b
    },
    { a, b in
      let rest = a.remainderReportingOverflow(dividingBy: b).partialValue
      return keepsSign || rest == 0 || (rest < 0) == (b < 0) ? rest : rest + b
    })(call)
}

private let power: OperatorFunction = { call throws(DeclipError) in
  let (base, exponent) = try call.pair()
  // Integers are raised as floats.
  let bytes = base.elementType.isFloat ? 8 : 24
  let shape = try call.broadcast(base.shape, exponent.shape, bytes: bytes)
  let raised = call.zip(
    base.asFloats, base.shape, exponent.asFloats, exponent.shape, shape
  ) { base, exponent in
    // What norms are made of; exact, unlike the general function.
    exponent == 2 ? base * base : exponent == 3 ? base * base * base : powf(base, exponent)
  }
  if base.elementType.isFloat { return [Value(raised, shape: shape, type: base.elementType)] }
  return [
    Value(raised.map { integer($0, base.elementType) }, shape: shape, type: base.elementType)
  ]
}

private let gelu: OperatorFunction = { call throws(DeclipError) in
  let approximation = try call.string("approximate", default: "none")
  try call.require(
    ["none", "tanh"].contains(approximation), "the approximation is '\(approximation)'",
    expected: "none or tanh")
  return try approximation == "tanh"
    ? mapped(call, geluTanh)
    : mapped(call) { 0.5 * $0 * (1 + erff($0 * 0.707_106_77)) }
}

private let clip: OperatorFunction = { call throws(DeclipError) in
  var value = try call.input(0)
  let low = call.has(1) ? try call.input(1) : nil
  let high = call.has(2) ? try call.input(2) : nil
  for bound in [low, high].compactMap({ $0 }) {
    try call.require(bound.count == 1, "a bound has \(bound.count) elements", expected: "one")
  }
  try call.take(value.count, bytes: value.width)
  switch value.elements {
  case .floats(let values):
    let (low, high) = (low?.asFloats[0] ?? -.infinity, high?.asFloats[0] ?? .infinity)
    value.elements = .floats(values.map { $0.isNaN ? $0 : Swift.min(high, Swift.max(low, $0)) })
  case .integers(let values):
    let (low, high) = (low?.integers?[0] ?? .min, high?.integers?[0] ?? .max)
    value.elements = .integers(values.map { Swift.min(high, Swift.max(low, $0)) })
  }
  return [value]
}

private let dropout: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  if let training = call.optional(2)?.integers?.first, training != 0 {
    throw call.error("is in training mode", expected: "an inference graph")
  }
  try call.take(value.count, bytes: 8)
  let mask = [Int64](repeating: 1, count: value.count)
  return [value, Value(mask, shape: value.shape, type: .bool)]
}

extension Value {
  /// The elements as floats, integers converted.
  var asFloats: [Float] {
    switch elements {
    case .floats(let values): values
    case .integers(let values): values.map { Float($0) }
    }
  }
}

/// An integer brought into the range of its type, as two's complement arithmetic does.
func wrapped(_ value: Int64, _ type: ElementType) -> Int64 {
  switch type {
  case .int8: Int64(Int8(truncatingIfNeeded: value))
  case .uint8: Int64(UInt8(truncatingIfNeeded: value))
  case .int16: Int64(Int16(truncatingIfNeeded: value))
  case .uint16: Int64(UInt16(truncatingIfNeeded: value))
  case .int32: Int64(Int32(truncatingIfNeeded: value))
  case .uint32: Int64(UInt32(truncatingIfNeeded: value))
  case .bool: value == 0 ? 0 : 1
  default: value
  }
}

/// A float cut off to an integer of `type`; what no 64-bit integer holds becomes the nearest one.
func integer(_ value: Float, _ type: ElementType) -> Int64 {
  if type == .bool { return value == 0 ? 0 : 1 }
  guard !value.isNaN else { return 0 }
  return wrapped(
    value >= 0x1p63 ? .max : value < -0x1p63 ? .min : Int64(value), type)
}
