import COpenBLAS
import Dispatch
import Model

/// Matrix products, convolution and what else multiplies and adds.
let productOperators: [String: OperatorFunction] = [
  "MatMul": matrixProduct,
  "Gemm": generalProduct,
  "Conv": convolution,
  "Einsum": einsum,
]

/// OpenBLAS computes on the calling thread. Its number of threads is one of the whole process, on
/// which the sums of other products depend, so that nothing here ever changes it.
private let openBLASIsReady: Bool = {
  openblas_set_num_threads(1)
  return true
}()

/// `c += a * b` with `a` `[rows, depth]` and `b` `[depth, columns]`, row-major.
///
/// Large products are computed on several threads, in parts whose number does not depend on the
/// machine, so that the result does not either.
func multiply(
  _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
  rows: Int, columns: Int, depth: Int, transposesA: Bool = false, transposesB: Bool = false,
  alpha: Float = 1
) {
  guard rows > 0, columns > 0, depth > 0, openBLASIsReady else { return }
  nonisolated(unsafe) let (a, b, c) = (a, b, c)
  let parts = columns < 64 || Double(rows) * Double(columns) * Double(depth) < 1e7 ? 1 : 4
  @Sendable func compute(_ part: Int) {
    let first = columns * part / parts
    let count = columns * (part + 1) / parts - first
    cblas_sgemm(
      CblasRowMajor, transposesA ? CblasTrans : CblasNoTrans,
      transposesB ? CblasTrans : CblasNoTrans, blasint(rows), blasint(count), blasint(depth), alpha,
      a, blasint(transposesA ? rows : depth), b + (transposesB ? first * depth : first),
      blasint(transposesB ? depth : columns), 1, c + first, blasint(columns))
  }
  if parts == 1 {
    compute(0)
  } else {
    DispatchQueue.concurrentPerform(iterations: parts, execute: compute)
  }
}

private let matrixProduct: OperatorFunction = { call throws(DeclipError) in
  let (first, second) = try call.pair()
  return [try product(call, first, second)]
}

/// The product of stacks of matrices as NumPy's `matmul` forms it.
func product(_ call: Call, _ first: Value, _ second: Value) throws(DeclipError) -> Value {
  guard !first.shape.isEmpty, !second.shape.isEmpty else {
    throw call.error("multiplies \(first.shape) and \(second.shape)")
  }
  let a = first.shape.count == 1 ? [1] + first.shape : first.shape
  let b = second.shape.count == 1 ? second.shape + [1] : second.shape
  let (rows, depth, columns) = (a[a.count - 2], a[a.count - 1], b[b.count - 1])
  try call.require(b[b.count - 2] == depth, "multiplies \(first.shape) and \(second.shape)")
  let (outerA, outerB) = (Array(a.dropLast(2)), Array(b.dropLast(2)))
  // Places of matrices: of either operand, and once more in the operand's own extents.
  let outer = try call.broadcast(outerA, outerB, bytes: 32)
  let count = try call.count(outer + [rows, columns], bytes: first.width)
  let stacks = outer.reduce(1, *)
  // A multiplication and an addition take a sixteenth of a step in the library, two here.
  try call.spend(count, each: first.elementType.isFloat ? depth / 16 + 1 : 2 * depth)
  try call.spend(stacks, each: 100)
  // Which matrix of either operand each stack takes.
  func matrices(_ shape: [Int]) -> [Int] {
    call.expanded(Array(0..<shape.reduce(1, *)), shape, to: outer)
  }
  let (placesA, placesB) = (matrices(outerA), matrices(outerB))
  var shape = outer
  if first.shape.count > 1 { shape.append(rows) }
  if second.shape.count > 1 { shape.append(columns) }
  guard let valuesA = first.floats, let valuesB = second.floats else {
    guard let a = first.integers, let b = second.integers else {
      throw call.error("multiplies \(first.elementType) and \(second.elementType)")
    }
    try call.require(
      depth == 0 || count <= (1 << 28) / depth, "multiplies large matrices of integers",
      expected: "floating point")
    var results = [Int64](repeating: 0, count: count)
    for stack in 0..<stacks {
      for row in 0..<rows {
        for column in 0..<columns {
          var sum: Int64 = 0
          for step in 0..<depth {
            sum &+=
              a[(placesA[stack] * rows + row) * depth + step]
              &* b[(placesB[stack] * depth + step) * columns + column]
          }
          results[(stack * rows + row) * columns + column] = wrapped(sum, first.elementType)
        }
      }
    }
    return Value(results, shape: shape, type: first.elementType)
  }
  var results = [Float](repeating: 0, count: count)
  results.withUnsafeMutableBufferPointer { results in
    valuesA.withUnsafeBufferPointer { a in
      valuesB.withUnsafeBufferPointer { b in
        guard let a = a.baseAddress, let b = b.baseAddress, let c = results.baseAddress else {
          return
        }
        for stack in 0..<stacks {
          multiply(
            a + placesA[stack] * rows * depth, b + placesB[stack] * depth * columns,
            c + stack * rows * columns, rows: rows, columns: columns, depth: depth)
        }
      }
    }
  }
  return Value(results, shape: shape, type: first.elementType)
}

private let generalProduct: OperatorFunction = { call throws(DeclipError) in
  let (first, second) = (try call.input(0), try call.input(1))
  let (a, b) = (try call.floats(0), try call.floats(1))
  let transposesA = try call.integer("transA", default: 0) != 0
  let transposesB = try call.integer("transB", default: 0) != 0
  let alpha = try call.float("alpha", default: 1)
  let beta = try call.float("beta", default: 1)
  guard first.shape.count == 2, second.shape.count == 2 else {
    throw call.error("multiplies \(first.shape) and \(second.shape)", expected: "two matrices")
  }
  let (rows, depth) = (first.shape[transposesA ? 1 : 0], first.shape[transposesA ? 0 : 1])
  let columns = second.shape[transposesB ? 0 : 1]
  try call.require(
    second.shape[transposesB ? 1 : 0] == depth, "multiplies \(first.shape) and \(second.shape)")
  let shape = [rows, columns]
  let count = try call.count(shape, bytes: 4)
  try call.spend(count, each: depth / 16 + 1)
  var results = [Float](repeating: 0, count: count)
  if call.has(2) {
    let bias = try call.input(2)
    try call.require(
      try call.broadcast(bias.shape, shape) == shape, "adds \(bias.shape) to \(shape)")
    results = call.expanded(try call.floats(2), bias.shape, to: shape).map { beta * $0 }
  }
  results.withUnsafeMutableBufferPointer { results in
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        guard let a = a.baseAddress, let b = b.baseAddress, let c = results.baseAddress else {
          return
        }
        multiply(
          a, b, c, rows: rows, columns: columns, depth: depth, transposesA: transposesA,
          transposesB: transposesB, alpha: alpha)
      }
    }
  }
  return [Value(results, shape: shape, type: first.elementType)]
}

private let convolution: OperatorFunction = { call throws(DeclipError) in
  let (image, weight) = (try call.input(0), try call.input(1))
  let (pixels, kernel) = (try call.floats(0), try call.floats(1))
  let axes = image.shape.count - 2
  // One axis is treated as two of which one has the extent 1.
  try call.require(
    (1...2).contains(axes) && weight.shape.count == axes + 2,
    "convolves \(image.shape) with \(weight.shape)", expected: "one or two spatial axes")
  func two(_ values: [Int], _ filler: Int) -> [Int] { axes == 1 ? [filler] + values : values }
  let extent = two(Array(image.shape[2...]), 1)
  let size = two(Array(weight.shape[2...]), 1)
  let groups = try call.integer("group", default: 1)
  let step = two(try call.integers("strides") ?? Array(repeating: 1, count: axes), 1)
  let dilation = two(try call.integers("dilations") ?? Array(repeating: 1, count: axes), 1)
  var pads = try call.integers("pads") ?? Array(repeating: 0, count: 2 * axes)
  try call.require(
    step.count == 2 && dilation.count == 2 && pads.count == 2 * axes
      && (step + dilation).allSatisfy { (1...(1 << 20)).contains($0) }
      && pads.allSatisfy { (0...(1 << 20)).contains($0) },
    "has the strides \(call.list(step)), dilations \(call.list(dilation)) and pads "
      + call.list(pads))
  if axes == 1 { pads = [0, pads[0], 0, pads[1]] }
  let covered = (0..<2).map { (axis: Int) -> Int in (size[axis] - 1) * dilation[axis] + 1 }
  let automatic = try call.string("auto_pad", default: "NOTSET")
  if automatic.hasPrefix("SAME") {
    for axis in 0..<2 {
      let target = (extent[axis] + step[axis] - 1) / step[axis]
      let total = max(0, (target - 1) * step[axis] + covered[axis] - extent[axis])
      pads[axis] = automatic == "SAME_LOWER" ? (total + 1) / 2 : total / 2
      pads[axis + 2] = total - pads[axis]
    }
  } else {
    try call.require(
      ["NOTSET", "VALID"].contains(automatic), "pads as '\(automatic)'",
      expected: "NOTSET, VALID, SAME_UPPER or SAME_LOWER")
  }
  let (batch, channels, filters) = (image.shape[0], image.shape[1], weight.shape[0])
  let inner = weight.shape[1]
  let room = (0..<2).map { (axis: Int) -> Int in
    extent[axis] + pads[axis] + pads[axis + 2] - covered[axis]
  }
  guard groups > 0, groups <= max(1, channels), filters % groups == 0,
    channels == inner * groups, room.allSatisfy({ $0 >= 0 })
  else {
    throw call.error("convolves \(image.shape) with \(weight.shape) in \(groups) groups")
  }
  let output = (0..<2).map { (axis: Int) -> Int in room[axis] / step[axis] + 1 }
  let spatial = output[0] * output[1]
  let depth = inner * size[0] * size[1]
  let shape = [batch, filters] + (axes == 1 ? [output[1]] : output)
  let count = try call.count(shape, bytes: 4)
  try call.count([depth, spatial], bytes: 4)
  try call.spend(depth * spatial, each: batch * groups)
  try call.spend(count, each: depth / 16 + 1)
  var results = [Float](repeating: 0, count: count)
  if call.has(2) {
    let bias = try call.floats(2)
    try call.require(bias.count == filters, "adds \(bias.count) biases to \(filters) filters")
    for place in results.indices { results[place] = bias[place / spatial % filters] }
  }
  // The patches as columns, so that the rest is one matrix product a group.
  var columns = [Float](repeating: 0, count: depth * spatial)
  for image in 0..<batch {
    for group in 0..<groups {
      for row in 0..<depth {
        let channel = group * inner + row / (size[0] * size[1])
        let (ky, kx) = (row / size[1] % size[0], row % size[1])
        for oy in 0..<output[0] {
          let y = oy * step[0] + ky * dilation[0] - pads[0]
          for ox in 0..<output[1] {
            let x = ox * step[1] + kx * dilation[1] - pads[1]
            let isInside = y >= 0 && y < extent[0] && x >= 0 && x < extent[1]
            columns[row * spatial + oy * output[1] + ox] =
              isInside
              ? pixels[((image * channels + channel) * extent[0] + y) * extent[1] + x] : 0
          }
        }
      }
      let own = filters / groups
      results.withUnsafeMutableBufferPointer { results in
        kernel.withUnsafeBufferPointer { kernel in
          columns.withUnsafeBufferPointer { columns in
            guard let a = kernel.baseAddress, let b = columns.baseAddress,
              let c = results.baseAddress
            else { return }
            multiply(
              a + group * own * depth, b, c + (image * filters + group * own) * spatial,
              rows: own, columns: spatial, depth: depth)
          }
        }
      }
    }
  }
  return [Value(results, shape: shape, type: image.elementType)]
}
