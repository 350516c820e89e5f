import Model

/// Operators that move elements without computing with them.
let layoutOperators: [String: OperatorFunction] = [
  "Reshape": reshape,
  "Transpose": transpose,
  "Concat": concatenate,
  "Split": split,
  "Squeeze": squeeze,
  "Unsqueeze": unsqueeze,
  "Flatten": flatten,
  "Expand": expand,
  "Tile": tile,
  "Pad": pad,
  "Trilu": trilu,
]

/// Elements of either kind, moved alike.
extension Value {
  /// A value of the elements at `places`, in that order, under `shape`.
  func gathered(_ places: [Int], shape: [Int]) -> Value {
    var copy = self
    copy.shape = shape
    switch elements {
    case .floats(let values): copy.elements = .floats(places.map { values[$0] })
    case .integers(let values): copy.elements = .integers(places.map { values[$0] })
    }
    return copy
  }
}

private let reshape: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  var shape = try call.integers(1)
  try call.require(shape.count <= largestRank, "asks for \(shape.count) extents")
  let keepsZeros = try call.integer("allowzero", default: 0) != 0
  if !keepsZeros {
    for axis in shape.indices where shape[axis] == 0 {
      try call.require(axis < value.shape.count, "keeps axis \(axis) of \(value.shape)")
      shape[axis] = value.shape[axis]
    }
  }
  if let free = shape.firstIndex(of: -1) {
    shape[free] = 1
    guard let known = elementCount(shape, upTo: Int.max), known > 0, value.count % known == 0 else {
      throw call.error("\(value.count) elements cannot take the extents \(shape)")
    }
    shape[free] = value.count / known
  }
  try call.require(
    elementCount(shape, upTo: Int.max) == value.count,
    "\(value.count) elements cannot take the extents \(shape)")
  return [value.reshaped(shape)]
}

private let transpose: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let rank = value.shape.count
  let order = try call.integers("perm") ?? Array((0..<rank).reversed())
  try call.require(
    order.count == rank && order.sorted() == Array(0..<rank),
    "orders \(rank) axes as \(order.prefix(largestRank))")
  try call.take(value.count, bytes: value.width)
  return [value.transposed(order)]
}

extension Value {
  /// The value with axis `order[i]` at place `i`.
  func transposed(_ order: [Int]) -> Value {
    let own = strides(of: shape)
    return strided(shape: order.map { shape[$0] }, strides: order.map { own[$0] })
  }

  /// The elements at `offset` and from there by `strides`.
  func strided(shape: [Int], strides: [Int], offset: Int = 0) -> Value {
    var copy = self
    copy.shape = shape
    switch elements {
    case .floats(let values):
      copy.elements = .floats(ONNX.strided(values, shape, strides, offset))
    case .integers(let values):
      copy.elements = .integers(ONNX.strided(values, shape, strides, offset))
    }
    return copy
  }
}

private func strided<Element>(
  _ values: [Element], _ shape: [Int], _ strides: [Int], _ offset: Int
) -> [Element] {
  guard let inner = shape.last else { return [values[offset]] }
  guard shape.allSatisfy({ $0 > 0 }) else { return [] }
  var results: [Element] = []
  results.reserveCapacity(shape.reduce(1, *))
  let last = shape.count - 1
  let step = strides[last]
  var index = [Int](repeating: 0, count: last)
  var place = offset
  values.withUnsafeBufferPointer { values in
    while true {
      for column in 0..<inner { results.append(values[place + column * step]) }
      var axis = last - 1
      while axis >= 0 {
        index[axis] += 1
        place += strides[axis]
        if index[axis] < shape[axis] { break }
        place -= shape[axis] * strides[axis]
        index[axis] = 0
        axis -= 1
      }
      if axis < 0 { return }
    }
  }
  return results
}

private let concatenate: OperatorFunction = { call throws(DeclipError) in
  let values = try call.inputs.indices.map { index throws(DeclipError) in try call.input(index) }
  guard let first = values.first else { throw call.error("has no inputs") }
  let rank = first.shape.count
  let axis = try call.axis(try call.integer("axis", default: 0), rank: rank)
  var shape = first.shape
  shape[axis] = 0
  for value in values {
    var other = value.shape
    try call.require(other.count == rank, "joins \(first.shape) and \(value.shape)")
    let (sum, overflow) = shape[axis].addingReportingOverflow(other[axis])
    try call.require(!overflow, "joins \(first.shape) and \(value.shape)")
    shape[axis] = sum
    other[axis] = first.shape[axis]
    try call.require(other == first.shape, "joins \(first.shape) and \(value.shape)")
    try call.require(
      value.elementType.isFloat == first.elementType.isFloat,
      "joins \(first.elementType) and \(value.elementType)")
  }
  try call.count(shape)
  let outer = shape[..<axis].reduce(1, *)
  func joined<Element>(_ parts: [[Element]]) -> [Element] {
    var results: [Element] = []
    results.reserveCapacity(shape.reduce(1, *))
    for row in 0..<outer {
      for part in parts {
        let length = part.count / max(outer, 1)
        results.append(contentsOf: part[row * length..<(row + 1) * length])
      }
    }
    return results
  }
  if first.elementType.isFloat {
    return [Value(joined(values.compactMap(\.floats)), shape: shape, type: first.elementType)]
  }
  return [Value(joined(values.compactMap(\.integers)), shape: shape, type: first.elementType)]
}

private let split: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let axis = try call.axis(try call.integer("axis", default: 0), rank: value.shape.count)
  let extent = value.shape[axis]
  let lengths: [Int]
  if let given = try call.integers(input: 1, or: "split") {
    lengths = given
  } else {
    let parts = try call.integer("num_outputs", default: call.node.outputs.count)
    try call.require((1...(1 << 16)).contains(parts), "splits \(extent) into \(parts)")
    let length = (extent + parts - 1) / parts
    lengths = (0..<parts).map { max(0, min(length, extent - $0 * length)) }
  }
  try call.require(
    lengths.allSatisfy { (0...extent).contains($0) } && lengths.count <= 1 << 16
      && lengths.reduce(0, +) == extent, "splits \(extent) into \(call.list(lengths))")
  var start = 0
  var results: [Value] = []
  try call.take(value.count, bytes: value.width)
  try call.take(lengths.count, bytes: 256 + 16 * value.shape.count)
  let own = strides(of: value.shape)
  for length in lengths {
    var shape = value.shape
    shape[axis] = length
    results.append(value.strided(shape: shape, strides: own, offset: start * own[axis]))
    start += length
  }
  return results
}

private let squeeze: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let rank = value.shape.count
  var dropped = Set<Int>()
  if let axes = try call.integers(input: 1, or: "axes") {
    for axis in axes { dropped.insert(try call.axis(axis, rank: rank)) }
  } else {
    dropped = Set(value.shape.indices.filter { value.shape[$0] == 1 })
  }
  try call.require(
    dropped.allSatisfy { value.shape[$0] == 1 }, "drops axes \(dropped.sorted()) of \(value.shape)")
  return [
    value.reshaped(value.shape.indices.filter { !dropped.contains($0) }.map { value.shape[$0] })
  ]
}

private let unsqueeze: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let axes = try call.integers(input: 1, or: "axes") ?? []
  let rank = value.shape.count + axes.count
  try call.require(rank <= largestRank, "asks for \(rank) extents")
  var added = Set<Int>()
  for axis in axes { added.insert(try call.axis(axis, rank: rank)) }
  try call.require(added.count == axes.count, "adds axes \(call.list(axes)) twice")
  var rest = value.shape[...]
  let shape = (0..<rank).map { added.contains($0) ? 1 : rest.removeFirst() }
  return [value.reshaped(shape)]
}

private let flatten: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let rank = value.shape.count
  let axis = try call.integer("axis", default: 1)
  try call.require((-rank...rank).contains(axis), "the axis \(axis) is not one of \(rank)")
  let rows = value.shape[..<(axis < 0 ? axis + rank : axis)].reduce(1, *)
  return [value.reshaped([rows, rows == 0 ? 0 : value.count / rows])]
}

private let expand: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let shape = try call.broadcast(value.shape, try call.integers(1))
  switch value.elements {
  case .floats(let values):
    return [
      Value(call.expanded(values, value.shape, to: shape), shape: shape, type: value.elementType)
    ]
  case .integers(let values):
    return [
      Value(call.expanded(values, value.shape, to: shape), shape: shape, type: value.elementType)
    ]
  }
}

private let tile: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let repeats = try call.integers(1)
  try call.require(
    repeats.count == value.shape.count
      && repeats.allSatisfy { (0...call.elementLimit()).contains($0) },
    "repeats \(value.shape) by \(call.list(repeats))")
  var shape: [Int] = []
  for (extent, count) in Swift.zip(value.shape, repeats) {
    let (product, overflow) = extent.multipliedReportingOverflow(by: count)
    try call.require(!overflow, "repeats \(value.shape) by \(repeats)")
    shape.append(product)
  }
  let found = try places(call, shape, in: value.shape) { index in
    Swift.zip(index, value.shape).map { $0 % $1 }
  }
  return [value.gathered(found.map { $0 ?? 0 }, shape: shape)]
}

/// Where each element of a result of extents `shape` comes from in a source of extents `source`;
/// nil where `map` says that it comes from nowhere.
private func places(
  _ call: Call, _ shape: [Int], in source: [Int], map: ([Int]) -> [Int]?
) throws(DeclipError) -> [Int?] {
  // An optional place, the place and the element.
  let count = try call.count(shape, bytes: 16 + 8 + 8)
  try call.spend(count, each: 64)
  let own = strides(of: source)
  var index = [Int](repeating: 0, count: shape.count)
  var places: [Int?] = []
  places.reserveCapacity(count)
  for _ in 0..<count {
    places.append(map(index).map { Swift.zip($0, own).reduce(0) { $0 + $1.0 * $1.1 } })
    for axis in shape.indices.reversed() {
      index[axis] += 1
      if index[axis] < shape[axis] { break }
      index[axis] = 0
    }
  }
  return places
}

private let pad: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let rank = value.shape.count
  let mode = try call.string("mode", default: "constant")
  try call.require(
    ["constant", "edge", "reflect", "wrap"].contains(mode), "the mode is '\(mode)'",
    expected: "constant, edge, reflect or wrap")
  let pads = try call.integers(input: 1, or: "pads") ?? []
  var axes = Array(0..<rank)
  if call.has(3) {
    axes = []
    for axis in try call.integers(3) { axes.append(try call.axis(axis, rank: rank)) }
  }
  try call.require(
    pads.count == 2 * axes.count && pads.allSatisfy { $0.magnitude <= UInt(call.elementLimit()) },
    "pads \(value.shape) by \(call.list(pads))")
  var (before, after) = ([Int](repeating: 0, count: rank), [Int](repeating: 0, count: rank))
  for (place, axis) in axes.enumerated() {
    before[axis] = pads[place]
    after[axis] = pads[place + axes.count]
  }
  let shape = value.shape.indices.map { value.shape[$0] + before[$0] + after[$0] }
  try call.require(
    mode == "constant" || value.count > 0, "pads nothing", expected: "at least one element")
  let found = try places(call, shape, in: value.shape) { index -> [Int]? in
    var source = index
    for axis in 0..<rank {
      let extent = value.shape[axis]
      var place = index[axis] - before[axis]
      if place < 0 || place >= extent {
        switch mode {
        case "edge": place = max(0, min(extent - 1, place))
        case "wrap": place = ((place % extent) + extent) % extent
        case "reflect":
          let period = max(1, 2 * (extent - 1))
          place = ((place % period) + period) % period
          place = min(place, period - place)
          if extent == 1 { place = 0 }
        default: return nil
        }
      }
      source[axis] = place
    }
    return source
  }
  switch value.elements {
  case .floats(let values):
    let fill = call.has(2) ? try call.scalar(2) : 0
    return [
      Value(found.map { $0.map { values[$0] } ?? fill }, shape: shape, type: value.elementType)
    ]
  case .integers(let values):
    let fill = call.has(2) ? Int64(try call.integers(2).first ?? 0) : 0
    return [
      Value(found.map { $0.map { values[$0] } ?? fill }, shape: shape, type: value.elementType)
    ]
  }
}

private let trilu: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let rank = value.shape.count
  try call.require(rank >= 2, "input 0 has \(rank) axes", expected: "2 or more")
  let isUpper = try call.integer("upper", default: 1) != 0
  let shift = call.has(1) ? try call.integers(1).first ?? 0 : 0
  let (rows, columns) = (value.shape[rank - 2], value.shape[rank - 1])
  try call.take(value.count, bytes: value.width)
  func kept(_ place: Int) -> Bool {
    let (row, column) = (place / columns % rows, place % columns)
    let distance = (column - row).subtractingReportingOverflow(shift).partialValue
    return isUpper ? distance >= 0 : distance <= 0
  }
  switch value.elements {
  case .floats(let values):
    return [
      Value(
        values.indices.map { kept($0) ? values[$0] : 0 }, shape: value.shape,
        type: value.elementType)
    ]
  case .integers(let values):
    return [
      Value(
        values.indices.map { kept($0) ? values[$0] : 0 }, shape: value.shape,
        type: value.elementType)
    ]
  }
}
