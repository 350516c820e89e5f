import Model

/// Einstein summation of one or two operands, by bringing them to one stack of matrix products.
let einsum: OperatorFunction = { call throws(DeclipError) in
  let equation = try call.string("equation", default: "").filter { $0 != " " }
  let sides = equation.split(separator: "->", omittingEmptySubsequences: false)
  let terms = sides[0].split(separator: ",", omittingEmptySubsequences: false).map { Array($0) }
  guard terms.count == call.inputs.count, (1...2).contains(terms.count), sides.count <= 2 else {
    throw call.error("the equation is '\(equation)'", expected: "one or two operands")
  }
  var operands: [Labelled] = []
  for (index, term) in terms.enumerated() {
    try call.take(try call.input(index).count, bytes: 8)
    operands.append(try Labelled(call, try call.input(index), term))
  }
  let output: [Character]
  if sides.count == 2 {
    output = Labelled.expanded(Array(sides[1]), operands.map(\.dots).max() ?? 0)
  } else {
    let all = operands.flatMap(\.labels)
    let dots = Set(all.filter { $0.isNumber })
    output =
      dots.sorted()
      + Set(all.filter { label in all.filter { $0 == label }.count == 1 && !label.isNumber })
      .sorted()
  }
  var extents: [Character: Int] = [:]
  for operand in operands {
    for (label, extent) in Swift.zip(operand.labels, operand.value.shape) {
      let known = extents[label] ?? 1
      guard known == 1 || extent == 1 || known == extent else {
        throw call.error("the extents of '\(label)' in '\(equation)' are \(known) and \(extent)")
      }
      extents[label] = max(known, extent)
    }
  }
  guard output.allSatisfy({ extents[$0] != nil }), Set(output).count == output.count else {
    throw call.error("the equation is '\(equation)'", expected: "outputs that occur once")
  }
  if operands.count == 1 { operands.append(Labelled(one: operands[0].value.elementType)) }
  let (a, b) = (operands[0], operands[1])
  func order(_ condition: (Bool, Bool, Bool) -> Bool) -> [Character] {
    let all = output + extents.keys.sorted().filter { !output.contains($0) }
    return all.filter {
      condition(a.labels.contains($0), b.labels.contains($0), output.contains($0))
    }
  }
  let shared = order { $0 && $1 && $2 }
  let rows = order { $0 && !$1 && $2 }
  let columns = order { !$0 && $1 && $2 }
  let summed = order { !$2 && ($0 || $1) }
  func size(_ labels: [Character]) -> Int { labels.reduce(1) { $0 * (extents[$1] ?? 1) } }
  let left = try a.arranged(call, shared + rows + summed, extents)
    .reshaped([size(shared), size(rows), size(summed)])
  let right = try b.arranged(call, shared + summed + columns, extents)
    .reshaped([size(shared), size(summed), size(columns)])
  let labels = shared + rows + columns
  try call.count(labels.map { extents[$0] ?? 1 })
  let product = try product(call, left, right).reshaped(labels.map { extents[$0] ?? 1 })
  return [product.transposed(output.compactMap { labels.firstIndex(of: $0) })]
}

/// An operand whose axes have labels; those of an ellipsis are digits.
private struct Labelled {
  let value: Value
  let labels: [Character]
  let dots: Int

  init(one type: ElementType) {
    value =
      type.isFloat
      ? Value([Float(1)], shape: [], type: type) : Value([Int64(1)], shape: [], type: type)
    labels = []
    dots = 0
  }

  init(_ call: Call, _ value: Value, _ term: [Character]) throws(DeclipError) {
    let dots = term.contains(".") ? value.shape.count - (term.count - 3) : 0
    guard dots >= 0, dots < 10 else { throw call.error("does not fit \(value.shape)") }
    var labels = Labelled.expanded(term, dots)
    guard labels.count == value.shape.count else {
      throw call.error("labels \(value.shape) with '\(String(term))'")
    }
    // A label that occurs twice takes the diagonal.
    var (shape, step) = (value.shape, strides(of: value.shape))
    var place = 0
    while place < labels.count {
      if let first = labels[..<place].firstIndex(of: labels[place]) {
        guard shape[first] == shape[place] else {
          throw call.error("takes the diagonal of \(value.shape)")
        }
        step[first] += step[place]
        labels.remove(at: place)
        shape.remove(at: place)
        step.remove(at: place)
      } else {
        place += 1
      }
    }
    self.value = value.strided(shape: shape, strides: step)
    self.labels = labels
    self.dots = dots
  }

  /// A term with its ellipsis spelled out, aligned at the last axis as broadcasting is.
  static func expanded(_ term: [Character], _ dots: Int) -> [Character] {
    guard let start = term.firstIndex(of: "."), term[start...].starts(with: "...") else {
      return term
    }
    let digits = (0..<dots).map { Character(String(9 - (dots - 1 - $0))) }
    return term[..<start] + digits + term[(start + 3)...]
  }

  /// The operand over all of `axes`, repeated along those that it does not have.
  func arranged(
    _ call: Call, _ axes: [Character], _ extents: [Character: Int]
  ) throws(DeclipError) -> Value {
    let shape = axes.map { extents[$0] ?? 1 }
    try call.count(shape)
    let own = strides(of: value.shape)
    // Labels that are summed here alone must not be counted once for each element of the other.
    let step = axes.map { axis -> Int in
      guard let place = labels.firstIndex(of: axis) else { return 0 }
      return value.shape[place] == 1 ? 0 : own[place]
    }
    return value.strided(shape: shape, strides: step)
  }
}
