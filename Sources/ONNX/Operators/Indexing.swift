import Model

/// Operators that choose elements by index.
let indexingOperators: [String: OperatorFunction] = [
  "Slice": slice,
  "Gather": gather,
  "GatherElements": gatherElements,
  "GatherND": gatherND,
  "ScatterND": scatterND,
]

extension Call {
  /// An index into an axis of `extent`, counted from the end where it is negative.
  fileprivate func place(_ index: Int, extent: Int) throws(DeclipError) -> Int {
    guard index >= -extent, index < extent else {
      throw error("the index \(index) is not one of \(extent)")
    }
    return index < 0 ? index + extent : index
  }
}

private let slice: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let rank = value.shape.count
  guard let starts = try call.integers(input: 1, or: "starts"),
    let ends = try call.integers(input: 2, or: "ends"), starts.count == ends.count
  else { throw call.error("its starts and ends do not match") }
  let axes = try call.integers(input: 3, or: "axes") ?? Array(starts.indices)
  let steps = call.has(4) ? try call.integers(4) : axes.map { _ in 1 }
  try call.require(
    axes.count == starts.count && steps.count == starts.count && axes.count <= rank,
    "its axes and steps do not match")
  let own = strides(of: value.shape)
  var (shape, stride, offset) = (value.shape, own, 0)
  var cut = Set<Int>()
  for (place, axis) in axes.enumerated() {
    let axis = try call.axis(axis, rank: rank)
    // An axis that is cut twice would lead outside the tensor.
    try call.require(cut.insert(axis).inserted, "cuts the axis \(axis) twice")
    let (extent, step) = (value.shape[axis], steps[place])
    try call.require(
      step != 0 && step.magnitude <= UInt(Int32.max), "its step is \(step)",
      expected: "other than 0")
    func bounded(_ index: Int, _ low: Int, _ high: Int) -> Int {
      let index = index < 0 ? index.addingReportingOverflow(extent).partialValue : index
      return max(low, min(high, index))
    }
    let (start, end, length): (Int, Int, Int)
    if step > 0 {
      start = bounded(starts[place], 0, extent)
      end = bounded(ends[place], 0, extent)
      length = max(0, (end - start + step - 1) / step)
    } else {
      start = bounded(starts[place], 0, extent - 1)
      end = bounded(ends[place], -1, extent - 1)
      length = extent == 0 ? 0 : max(0, (start - end - step - 1) / -step)
    }
    shape[axis] = length
    stride[axis] = own[axis] * step
    offset += max(0, start) * own[axis]
  }
  try call.count(shape, bytes: value.width)
  return [value.strided(shape: shape, strides: stride, offset: offset)]
}

private let gather: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let indices = try call.integers(1)
  let axis = try call.axis(try call.integer("axis", default: 0), rank: value.shape.count)
  let extent = value.shape[axis]
  var rows: [Int] = []
  try call.take(indices.count, bytes: 8)
  rows.reserveCapacity(indices.count)
  for index in indices { rows.append(try call.place(index, extent: extent)) }
  let shape = value.shape[..<axis] + (try call.input(1).shape) + value.shape[(axis + 1)...]
  try call.count(Array(shape))
  let outer = value.shape[..<axis].reduce(1, *)
  let inner = value.shape[(axis + 1)...].reduce(1, *)
  func chosen<Element>(_ values: [Element]) -> [Element] {
    var results: [Element] = []
    results.reserveCapacity(outer * rows.count * inner)
    for block in 0..<outer {
      for row in rows {
        let start = (block * extent + row) * inner
        results.append(contentsOf: values[start..<start + inner])
      }
    }
    return results
  }
  switch value.elements {
  case .floats(let values):
    return [Value(chosen(values), shape: Array(shape), type: value.elementType)]
  case .integers(let values):
    return [Value(chosen(values), shape: Array(shape), type: value.elementType)]
  }
}

private let gatherElements: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let indices = try call.integers(1)
  let shape = try call.input(1).shape
  let rank = value.shape.count
  let axis = try call.axis(try call.integer("axis", default: 0), rank: rank)
  try call.require(
    shape.count == rank
      && shape.indices.allSatisfy { $0 == axis || shape[$0] <= value.shape[$0] },
    "indexes \(value.shape) by \(shape)")
  let (own, other) = (strides(of: value.shape), strides(of: shape))
  var places: [Int] = []
  try call.take(indices.count, bytes: 16)
  try call.spend(indices.count, each: 4 * rank)
  places.reserveCapacity(indices.count)
  for (place, index) in indices.enumerated() {
    var source = 0
    for dimension in 0..<rank {
      let coordinate = place / other[dimension] % shape[dimension]
      source +=
        own[dimension]
        * (dimension == axis ? try call.place(index, extent: value.shape[axis]) : coordinate)
    }
    places.append(source)
  }
  return [value.gathered(places, shape: shape)]
}

private let gatherND: OperatorFunction = { call throws(DeclipError) in
  let value = try call.input(0)
  let indices = try call.integers(1)
  let shape = try call.input(1).shape
  let batch = try call.integer("batch_dims", default: 0)
  guard let width = shape.last, batch >= 0, batch < shape.count, width > 0,
    batch + width <= value.shape.count, shape[..<batch] == value.shape[..<batch]
  else { throw call.error("indexes \(value.shape) by \(shape) with \(batch) batch axes") }
  let own = strides(of: value.shape)
  let inner = value.shape[(batch + width)...].reduce(1, *)
  let result = shape.dropLast() + value.shape[(batch + width)...]
  let count = try call.count(Array(result), bytes: 16)
  let batches = shape[..<batch].reduce(1, *)
  let rows = indices.count / width
  let block = batch == 0 ? 0 : own[batch - 1]
  var places: [Int] = []
  places.reserveCapacity(count)
  for row in 0..<rows {
    var start = batches == 0 ? 0 : row / (rows / batches) * block
    for column in 0..<width {
      let extent = value.shape[batch + column]
      start += own[batch + column] * (try call.place(indices[row * width + column], extent: extent))
    }
    places.append(contentsOf: start..<start + inner)
  }
  return [value.gathered(places, shape: Array(result))]
}

private let scatterND: OperatorFunction = { call throws(DeclipError) in
  var value = try call.input(0)
  let indices = try call.integers(1)
  let updates = try call.input(2)
  let shape = try call.input(1).shape
  let reduction = try call.string("reduction", default: "none")
  guard let width = shape.last, width > 0, width <= value.shape.count,
    updates.shape == shape.dropLast() + value.shape[width...]
  else { throw call.error("writes \(updates.shape) into \(value.shape) by \(shape)") }
  let own = strides(of: value.shape)
  let inner = value.shape[width...].reduce(1, *)
  try call.take(value.count, bytes: value.width)
  try call.take(indices.count, bytes: 24)
  var starts: [Int] = []
  for row in 0..<indices.count / width {
    var start = 0
    for column in 0..<width {
      start +=
        own[column] * (try call.place(indices[row * width + column], extent: value.shape[column]))
    }
    starts.append(start)
  }
  func written<Element: Numeric & Comparable>(
    _ target: [Element], _ source: [Element]
  ) throws(DeclipError) -> [Element] {
    var target = target
    for (row, start) in starts.enumerated() {
      for offset in 0..<inner {
        let update = source[row * inner + offset]
        let place = start + offset
        switch reduction {
        case "none": target[place] = update
        case "add": target[place] += update
        case "mul": target[place] *= update
        case "max": target[place] = max(target[place], update)
        case "min": target[place] = min(target[place], update)
        default: throw call.error("the reduction is '\(reduction)'", expected: "none or add")
        }
      }
    }
    return target
  }
  switch (value.elements, updates.elements) {
  case (.floats(let target), .floats(let source)):
    value.elements = .floats(try written(target, source))
  case (.integers(let target), .integers(let source)) where reduction == "none":
    value.elements = .integers(try written(target, source))
  default:
    throw call.error("writes \(updates.elementType) into \(value.elementType)")
  }
  return [value]
}
