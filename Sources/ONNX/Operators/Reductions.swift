import Glibc
import Model

/// Operators that run along axes.
let reductionOperators: [String: OperatorFunction] = [
  "ReduceMean": reduction { values in values.reduce(0, +) / Double(values.count) },
  "ReduceSum": reduction { values in values.reduce(0, +) },
  "ReduceL1": reduction { values in values.reduce(0) { $0 + abs($1) } },
  "ReduceL2": reduction { values in values.reduce(0) { $0 + $1 * $1 }.squareRoot() },
  "ReduceSumSquare": reduction { values in values.reduce(0) { $0 + $1 * $1 } },
  "ReduceLogSum": reduction { values in log(values.reduce(0, +)) },
  "ReduceLogSumExp": reduction { values in
    let largest = values.max() ?? -.infinity
    return log(values.reduce(0) { $0 + exp($1 - largest) }) + largest
  },
  "ReduceProd": reduction { values in values.reduce(1, *) },
  "ReduceMax": reduction(empty: -.infinity) { values in values.max() ?? -.infinity },
  "ReduceMin": reduction(empty: .infinity) { values in values.min() ?? .infinity },
  "ArgMax": extreme { $0 > $1 },
  "ArgMin": extreme { $0 < $1 },
  "CumSum": cumulativeSum,
]

/// A reduction; sums are formed in binary64. `empty` is the result over no element, where
/// `reduce` has no natural one.
private func reduction(
  empty: Double? = nil, _ reduce: @escaping @Sendable (ArraySlice<Double>) -> Double
) -> OperatorFunction {
  { call throws(DeclipError) in
    let value = try call.input(0)
    let rank = value.shape.count
    let keeps = try call.integer("keepdims", default: 1) != 0
    let named = try call.integers(input: 1, or: "axes") ?? []
    if named.isEmpty, try call.integer("noop_with_empty_axes", default: 0) != 0 { return [value] }
    var reduced = Set<Int>()
    for axis in named { reduced.insert(try call.axis(axis, rank: rank)) }
    if named.isEmpty { reduced = Set(0..<rank) }

    let kept = (0..<rank).filter { !reduced.contains($0) }
    let order = kept + reduced.sorted()
    let columns = reduced.map { value.shape[$0] }.reduce(1, *)
    let rows = kept.map { value.shape[$0] }.reduce(1, *)
    // The elements in order, then in binary64; of each row the result.
    try call.take(value.count, bytes: value.width + 8)
    try call.take(rows, bytes: 16)
    let doubles: [Double] =
      switch value.transposed(order).elements {
      case .floats(let values): values.map { Double($0) }
      case .integers(let values): values.map { Double($0) }
      }
    let results = (0..<rows).map { row in
      columns == 0 && empty != nil
        ? empty ?? 0 : reduce(doubles[row * columns..<(row + 1) * columns])
    }
    let shape = (0..<rank).compactMap { axis in
      reduced.contains(axis) ? (keeps ? 1 : nil) : value.shape[axis]
    }
    let type = value.elementType
    return [
      type.isFloat
        ? Value(results.map { Float($0) }, shape: shape, type: type)
        : Value(results.map { integer(Float($0), $0, type) }, shape: shape, type: type)
    ]
  }
}

/// A whole number that was computed in binary64.
private func integer(_ rough: Float, _ value: Double, _ type: ElementType) -> Int64 {
  if type == .bool { return value > 0 ? 1 : 0 }
  return value.magnitude < 0x1p62 ? wrapped(Int64(value), type) : ONNX.integer(rough, type)
}

private func extreme(
  _ isBetter: @escaping @Sendable (Float, Float) -> Bool
) -> OperatorFunction {
  { call throws(DeclipError) in
    let value = try call.input(0)
    let rank = value.shape.count
    let axis = try call.axis(try call.integer("axis", default: 0), rank: rank)
    let keeps = try call.integer("keepdims", default: 1) != 0
    let takesLast = try call.integer("select_last_index", default: 0) != 0
    let (extent, inner) = (value.shape[axis], value.shape[(axis + 1)...].reduce(1, *))
    try call.require(extent > 0, "searches an axis without elements")
    let rows = value.count / (extent * max(inner, 1))
    try call.take(value.count, bytes: 4)
    try call.take(rows * inner, bytes: 8)
    let values = value.asFloats
    var results: [Int64] = []
    results.reserveCapacity(rows * inner)
    for row in 0..<rows {
      for column in 0..<inner {
        let start = row * extent * inner + column
        var best = 0
        for place in 1..<max(extent, 1) {
          let (candidate, current) = (values[start + place * inner], values[start + best * inner])
          if isBetter(candidate, current) || takesLast && candidate == current { best = place }
        }
        results.append(Int64(best))
      }
    }
    var shape = value.shape
    if keeps { shape[axis] = 1 } else { shape.remove(at: axis) }
    return [Value(results, shape: shape)]
  }
}

private let cumulativeSum: OperatorFunction = { call throws(DeclipError) in
  var value = try call.input(0)
  guard let named = try call.integers(1).first else { throw call.error("names no axis") }
  let axis = try call.axis(named, rank: value.shape.count)
  let excludes = try call.integer("exclusive", default: 0) != 0
  let isReversed = try call.integer("reverse", default: 0) != 0
  let (extent, inner) = (value.shape[axis], value.shape[(axis + 1)...].reduce(1, *))
  try call.take(value.count, bytes: value.width)
  func summed<Element>(
    _ values: [Element], _ zero: Element, _ add: (Element, Element) -> Element
  ) -> [Element] {
    var results = values
    guard !values.isEmpty else { return values }
    for row in 0..<values.count / (extent * inner) {
      for column in 0..<inner {
        var sum = zero
        for step in 0..<extent {
          let place = (row * extent + (isReversed ? extent - 1 - step : step)) * inner + column
          let next = add(sum, values[place])
          results[place] = excludes ? sum : next
          sum = next
        }
      }
    }
    return results
  }
  switch value.elements {
  case .floats(let values): value.elements = .floats(summed(values, 0, +))
  case .integers(let values): value.elements = .integers(summed(values, 0, &+))
  }
  return [value]
}
