import Model

/// Operators that make tensors from constants and sizes.
let creationOperators: [String: OperatorFunction] = [
  "Constant": constant,
  "ConstantOfShape": constantOfShape,
  "Shape": { call throws(DeclipError) in
    let shape = try call.input(0).shape
    func bound(_ name: String, _ fallback: Int) throws(DeclipError) -> Int {
      let value = try call.integer(name, default: fallback)
      return max(0, min(shape.count, value < 0 ? value + shape.count : value))
    }
    let (start, end) = (try bound("start", 0), try bound("end", shape.count))
    let extents = start < end ? shape[start..<end].map { Int64($0) } : []
    return [Value(extents, shape: [extents.count])]
  },
  "Size": { call throws(DeclipError) in [Value([Int64(try call.input(0).count)], shape: [])] },
  "Range": range,
  "EyeLike": { call throws(DeclipError) in
    let value = try call.input(0)
    try call.require(value.shape.count == 2, "input 0 has \(value.shape.count) axes", expected: "2")
    let shift = try call.integer("k", default: 0)
    let number = try call.integer("dtype", default: Int(value.elementType.rawValue))
    let type = Int32(exactly: number).flatMap(ElementType.init(rawValue:)) ?? .float32
    let columns = value.shape[1]
    try call.take(value.count, bytes: 12)
    let ones = (0..<value.count).map { place in
      place % columns - place / columns == shift ? Float(1) : 0
    }
    return [
      type.isFloat
        ? Value(ones, shape: value.shape, type: type)
        : Value(ones.map { Int64($0) }, shape: value.shape, type: type)
    ]
  },
]

private let constant: OperatorFunction = { call throws(DeclipError) in
  let attributes = call.node.attributes
  if case .tensor(let tensor)? = attributes["value"] {
    try call.count(tensor.shape)
    return [Value(tensor)]
  }
  if case .float(let value)? = attributes["value_float"] { return [Value([value], shape: [])] }
  if case .integer(let value)? = attributes["value_int"] { return [Value([value], shape: [])] }
  if case .floats(let values)? = attributes["value_floats"] {
    return [Value(values, shape: [values.count])]
  }
  if case .integers(let values)? = attributes["value_ints"] {
    return [Value(values, shape: [values.count])]
  }
  throw call.error("holds no tensor, number or list", expected: "a value of these kinds")
}

private let constantOfShape: OperatorFunction = { call throws(DeclipError) in
  let shape = try call.integers(0)
  let count = try call.count(shape)
  guard case .tensor(let tensor)? = call.node.attributes["value"] else {
    return [Value([Float](repeating: 0, count: count), shape: shape)]
  }
  let value = Value(tensor)
  try call.require(value.count == 1, "its value has \(value.count) elements", expected: "one")
  switch value.elements {
  case .floats(let element):
    return [
      Value([Float](repeating: element[0], count: count), shape: shape, type: value.elementType)
    ]
  case .integers(let element):
    return [
      Value([Int64](repeating: element[0], count: count), shape: shape, type: value.elementType)
    ]
  }
}

private let range: OperatorFunction = { call throws(DeclipError) in
  let type = try call.input(0).elementType
  if type.isFloat {
    let (start, limit, step) = (try call.scalar(0), try call.scalar(1), try call.scalar(2))
    let steps = ((limit - start) / step).rounded(.up)
    try call.require(
      steps.isFinite && steps < 0x1p31, "runs from \(start) to \(limit) by \(step)",
      expected: "a finite range")
    let count = try call.count([Int(max(0, steps))])
    return [Value((0..<count).map { start + Float($0) * step }, shape: [count], type: type)]
  }
  let bounds = [try call.integers(0), try call.integers(1), try call.integers(2)]
  guard bounds.allSatisfy({ $0.count == 1 }), bounds[2][0] != 0 else {
    throw call.error("its bounds are not three numbers with a step other than 0")
  }
  let (start, limit, step) = (bounds[0][0], bounds[1][0], bounds[2][0])
  let (distance, overflow) = limit.subtractingReportingOverflow(start)
  try call.require(
    !overflow && distance != .min && step != .min, "runs from \(start) to \(limit)")
  let steps = distance / step + (distance % step != 0 && (distance < 0) == (step < 0) ? 1 : 0)
  let count = try call.count([max(0, steps)])
  return [Value((0..<count).map { Int64(start + $0 * step) }, shape: [count], type: type)]
}
