import Glibc
import Model

/// Softmax and norms.
let normalizationOperators: [String: OperatorFunction] = [
  "Softmax": { call throws(DeclipError) in [try softmax(call, isLogarithmic: false)] },
  "LogSoftmax": { call throws(DeclipError) in [try softmax(call, isLogarithmic: true)] },
  "LayerNormalization": layerNormalization,
  "RMSNormalization": rootMeanSquare,
  "LpNormalization": { call throws(DeclipError) in
    let value = try call.input(0)
    let axis = try call.axis(try call.integer("axis", default: -1), rank: value.shape.count)
    let power = try call.integer("p", default: 2)
    var floats = try call.floats(0)
    try call.take(floats.count, bytes: 4)
    forEachLine(of: value.shape, along: axis) { places in
      let norm =
        power == 1
        ? places.reduce(Float(0)) { $0 + abs(floats[$1]) }
        : places.reduce(Float(0)) { $0 + floats[$1] * floats[$1] }.squareRoot()
      for place in places { floats[place] = norm == 0 ? 0 : floats[place] / norm }
    }
    return [Value(floats, shape: value.shape, type: value.elementType)]
  },
]

/// Visits the places of every line along an axis.
private func forEachLine(
  of shape: [Int], along axis: Int, _ visit: (StrideTo<Int>) -> Void
) {
  let (extent, inner) = (shape[axis], shape[(axis + 1)...].reduce(1, *))
  guard extent > 0, inner > 0 else { return }
  for row in 0..<shape[..<axis].reduce(1, *) {
    for column in 0..<inner {
      let start = row * extent * inner + column
      visit(stride(from: start, to: start + extent * inner, by: inner))
    }
  }
}

/// Exponentials divided by their sum along `axis`, in place.
func softmaxLines(_ values: inout [Float], shape: [Int], axis: Int, isLogarithmic: Bool = false) {
  values.withUnsafeMutableBufferPointer { values in
    forEachLine(of: shape, along: axis) { places in
      var largest = -Float.infinity
      for place in places { largest = max(largest, values[place]) }
      // A line of which nothing may be attended to has no distribution.
      if largest == -.infinity { largest = 0 }
      var sum: Float = 0
      for place in places { sum += expf(values[place] - largest) }
      for place in places {
        values[place] =
          isLogarithmic ? values[place] - largest - logf(sum) : expf(values[place] - largest) / sum
      }
    }
  }
}

private func softmax(_ call: Call, isLogarithmic: Bool) throws(DeclipError) -> Value {
  let value = try call.input(0)
  var floats = try call.floats(0)
  try call.take(floats.count, bytes: 4)
  let isFlattened = call.opset < 13
  let axis = try call.axis(
    try call.integer("axis", default: isFlattened ? 1 : -1), rank: value.shape.count)
  // Before operator set 13 all axes from the given one on were one line.
  let shape =
    isFlattened
    ? [value.shape[..<axis].reduce(1, *), value.shape[axis...].reduce(1, *)] : value.shape
  softmaxLines(&floats, shape: shape, axis: isFlattened ? 1 : axis, isLogarithmic: isLogarithmic)
  return Value(floats, shape: value.shape, type: value.elementType)
}

private let layerNormalization: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let axis = try call.axis(try call.integer("axis", default: -1), rank: value.shape.count)
  let epsilon = try call.float("epsilon", default: 1e-5)
  let columns = value.shape[axis...].reduce(1, *)
  let (source, gain) = (try call.floats(0), try scaled(call, 1, columns, value.shape))
  let bias = call.has(2) ? try scaled(call, 2, columns, value.shape) : nil
  try call.take(source.count, bytes: 4)
  try call.take(columns == 0 ? 0 : source.count / columns, bytes: 24)
  var (results, means, inverses) = (source, [Float](), [Float]())
  for row in 0..<(columns == 0 ? 0 : source.count / columns) {
    let places = row * columns..<(row + 1) * columns
    let mean = source[places].reduce(0) { $0 + Double($1) } / Double(columns)
    let variance =
      source[places].reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
      / Double(columns)
    let inverse = 1 / (variance + Double(epsilon)).squareRoot()
    for (column, place) in places.enumerated() {
      results[place] =
        Float((Double(source[place]) - mean) * inverse) * gain[column] + (bias?[column] ?? 0)
    }
    means.append(Float(mean))
    inverses.append(Float(inverse))
  }
  let shape = value.shape[..<axis] + Array(repeating: 1, count: value.shape.count - axis)
  return [
    Value(results, shape: value.shape, type: value.elementType),
    Value(means, shape: Array(shape)), Value(inverses, shape: Array(shape)),
  ]
}

private let rootMeanSquare: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let axis = try call.axis(try call.integer("axis", default: -1), rank: value.shape.count)
  let epsilon = try call.float("epsilon", default: 1e-5)
  let columns = value.shape[axis...].reduce(1, *)
  let (source, gain) = (try call.floats(0), try scaled(call, 1, columns, value.shape))
  try call.take(source.count, bytes: 4)
  var results = source
  for row in 0..<(columns == 0 ? 0 : source.count / columns) {
    let places = row * columns..<(row + 1) * columns
    let square = source[places].reduce(0) { $0 + Double($1) * Double($1) } / Double(columns)
    let inverse = Float(1 / (square + Double(epsilon)).squareRoot())
    for (column, place) in places.enumerated() {
      results[place] = source[place] * inverse * gain[column]
    }
  }
  return [Value(results, shape: value.shape, type: value.elementType)]
}

/// A gain or bias extended over the `columns` that are normalised.
private func scaled(
  _ call: Call, _ index: Int, _ columns: Int, _ shape: [Int]
) throws(DeclipError) -> [Float] {
  let (value, floats) = (try call.input(index), try call.floats(index))
  if floats.count == columns { return floats }
  try call.require(floats.count == 1, "scales \(shape) by \(value.shape)")
  try call.take(columns, bytes: 4)
  return Array(repeating: floats[0], count: columns)
}
