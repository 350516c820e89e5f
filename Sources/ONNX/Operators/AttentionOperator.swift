import Glibc
import Model

/// Attention as one operator (operator set 23).
let attentionOperators: [String: OperatorFunction] = ["Attention": attention]

/// An operand `[batch, heads, tokens, size]`.
private struct Heads {
  let value: Value

  var batch: Int { value.shape[0] }
  var count: Int { value.shape[1] }
  var tokens: Int { value.shape[2] }
  var size: Int { value.shape[3] }

  /// From four axes as they are, from three `[batch, tokens, heads * size]` taken apart.
  init(_ call: Call, _ index: Int, heads name: String) throws(DeclipError) {
    let value = try call.input(index)
    try call.require(value.floats != nil, "input \(index) holds \(value.elementType)")
    if value.shape.count == 4 {
      self.value = value
      return
    }
    let heads = try call.integer(name, default: 0)
    guard value.shape.count == 3, heads > 0, value.shape[2] % heads == 0 else {
      throw call.error("input \(index) has the extents \(value.shape)", expected: "'\(name)' heads")
    }
    try call.take(value.count, bytes: 4)
    self.value = value.reshaped([value.shape[0], value.shape[1], heads, value.shape[2] / heads])
      .transposed([0, 2, 1, 3])
  }
}

private let attention: OperatorFunction = { call throws(DeclipError) in
  for index in 4..<max(4, call.inputs.count) where call.has(index) {
    throw call.error("has a cache of past tokens", expected: "an inference graph without one")
  }
  if call.node.outputs.contains(where: { $0 != call.node.outputs.first && !$0.isEmpty }) {
    throw call.error("gives out its cache or its scores", expected: "one output")
  }
  let known: Set = [
    "is_causal", "kv_num_heads", "q_num_heads", "qk_matmul_output_mode", "scale", "softcap",
    "softmax_precision",
  ]
  for name in call.node.attributes.keys where !known.contains(name) {
    throw call.error("has the attribute '\(name)'", expected: "those of operator set 23")
  }
  let cap = try call.float("softcap", default: 0)
  let query = try Heads(call, 0, heads: "q_num_heads")
  let key = try Heads(call, 1, heads: "kv_num_heads")
  let content = try Heads(call, 2, heads: "kv_num_heads")
  guard key.count > 0, query.count % key.count == 0, key.size == query.size,
    content.tokens == key.tokens, content.count == key.count,
    query.batch == key.batch, key.batch == content.batch
  else {
    throw call.error(
      "attends from \(query.value.shape) to \(key.value.shape) and \(content.value.shape)")
  }
  let scale = try call.float("scale", default: 1 / Float(query.size).squareRoot())
  let (rows, columns, size) = (query.tokens, key.tokens, content.size)
  let shape = [query.batch, query.count, rows, columns]
  let pairs = try call.count(shape, bytes: 4)
  try call.spend(pairs, each: (query.size + size) / 16 + 16)
  try call.spend(query.batch * query.count, each: 100)
  var mask: [Float]?
  if call.has(3) {
    let given = try call.input(3)
    try call.require(
      try call.broadcast(given.shape, shape) == shape, "masks \(shape) by \(given.shape)")
    let values = given.floats ?? (given.integers ?? []).map { $0 == 0 ? -.infinity : 0 }
    mask = call.expanded(values, given.shape, to: shape)
  }
  let isCausal = try call.integer("is_causal", default: 0) != 0
  let stacks = query.batch * query.count
  let shared = query.count / key.count
  var results = [Float](repeating: 0, count: try call.count([stacks, rows, size], bytes: 8))
  let (q, k, v) = (query.value.floats ?? [], key.value.floats ?? [], content.value.floats ?? [])
  for stack in 0..<stacks {
    let source = stack / shared
    var scores = [Float](repeating: 0, count: rows * columns)
    scores.withUnsafeMutableBufferPointer { scores in
      q.withUnsafeBufferPointer { q in
        k.withUnsafeBufferPointer { k in
          guard let q = q.baseAddress, let k = k.baseAddress, let scores = scores.baseAddress
          else { return }
          multiply(
            q + stack * rows * query.size, k + source * columns * query.size, scores, rows: rows,
            columns: columns, depth: query.size, transposesB: true, alpha: scale)
        }
      }
    }
    for place in scores.indices {
      if cap != 0 { scores[place] = cap * tanhf(scores[place] / cap) }
      if let mask { scores[place] += mask[stack * rows * columns + place] }
      if isCausal && place % columns > place / columns { scores[place] = -.infinity }
    }
    softmaxLines(&scores, shape: [rows, columns], axis: 1)
    // Rows that may attend to nothing aggregate nothing.
    for place in scores.indices where scores[place].isNaN { scores[place] = 0 }
    results.withUnsafeMutableBufferPointer { results in
      v.withUnsafeBufferPointer { v in
        scores.withUnsafeBufferPointer { scores in
          guard let v = v.baseAddress, let scores = scores.baseAddress,
            let target = results.baseAddress
          else { return }
          multiply(
            scores, v + source * columns * size, target + stack * rows * size, rows: rows,
            columns: size, depth: columns)
        }
      }
    }
  }
  let value = Value(
    results, shape: [query.batch, query.count, rows, size], type: try call.input(0).elementType)
  guard try call.input(0).shape.count == 3 else { return [value] }
  return [
    value.transposed([0, 2, 1, 3]).reshaped([query.batch, rows, query.count * size])
  ]
}
