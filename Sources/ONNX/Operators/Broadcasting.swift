import Model

/// Elementwise operators extend operands to common extents as NumPy does
/// (ONNX, "Broadcasting in ONNX", multidirectional).
extension Call {
  /// The common extents of two operands, room for whose elements of `bytes` each is taken.
  func broadcast(
    _ first: [Int], _ second: [Int], bytes: Int = 8
  ) throws(DeclipError) -> [Int] {
    let rank = max(first.count, second.count)
    var shape = [Int](repeating: 1, count: rank)
    for axis in 0..<rank {
      let a = axis < rank - first.count ? 1 : first[axis - (rank - first.count)]
      let b = axis < rank - second.count ? 1 : second[axis - (rank - second.count)]
      try require(a == b || a == 1 || b == 1, "the extents \(first) and \(second) do not match")
      shape[axis] = a == 1 ? b : a
    }
    try count(shape, bytes: bytes)
    return shape
  }

  /// `combine` of every pair of elements of two operands extended to `shape`.
  func zip<Element, Result>(
    _ first: [Element], _ firstShape: [Int], _ second: [Element], _ secondShape: [Int],
    _ shape: [Int], _ combine: (Element, Element) -> Result
  ) -> [Result] {
    if firstShape == shape && secondShape == shape {
      return first.indices.map { combine(first[$0], second[$0]) }
    }
    if second.count == 1 && firstShape == shape {
      let constant = second[0]
      return first.map { combine($0, constant) }
    }
    var results: [Result] = []
    results.reserveCapacity(shape.reduce(1, *))
    let a = BroadcastWalk(firstShape, to: shape)
    let b = BroadcastWalk(secondShape, to: shape)
    walk(shape, a, b) { results.append(combine(first[$0], second[$1])) }
    return results
  }

  /// The elements of one operand extended to `shape`.
  func expanded<Element>(_ values: [Element], _ valueShape: [Int], to shape: [Int]) -> [Element] {
    if valueShape == shape { return values }
    var results: [Element] = []
    results.reserveCapacity(shape.reduce(1, *))
    let a = BroadcastWalk(valueShape, to: shape)
    walk(shape, a, a) { place, _ in results.append(values[place]) }
    return results
  }

  private func walk(
    _ shape: [Int], _ a: BroadcastWalk, _ b: BroadcastWalk, _ visit: (Int, Int) -> Void
  ) {
    guard let inner = shape.last else { return visit(0, 0) }
    guard shape.allSatisfy({ $0 > 0 }) else { return }
    let last = shape.count - 1
    var index = [Int](repeating: 0, count: last)
    var (placeA, placeB) = (0, 0)
    while true {
      for column in 0..<inner {
        visit(placeA + column * a.strides[last], placeB + column * b.strides[last])
      }
      var axis = last - 1
      while axis >= 0 {
        index[axis] += 1
        placeA += a.strides[axis]
        placeB += b.strides[axis]
        if index[axis] < shape[axis] { break }
        placeA -= shape[axis] * a.strides[axis]
        placeB -= shape[axis] * b.strides[axis]
        index[axis] = 0
        axis -= 1
      }
      if axis < 0 { return }
    }
  }
}

/// The strides of an operand in a result of more extents: 0 where it is repeated.
private struct BroadcastWalk {
  let strides: [Int]

  init(_ shape: [Int], to target: [Int]) {
    let own = ONNX.strides(of: shape)
    let missing = target.count - shape.count
    strides = target.indices.map { axis in
      axis < missing || shape[axis - missing] == 1 ? 0 : own[axis - missing]
    }
  }
}
