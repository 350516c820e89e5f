import Glibc
import Model
import ONNX

/// A query, key or value projection as a graph holds it: a linear layer, or a part of one whose
/// result is taken apart later.
struct AttentionSource {
  let layer: LinearLayer
  /// The columns of the layer's result that belong to the projection.
  let columns: Range<Int>
}

/// What an attention subgraph computes, found out by running it on chosen projections instead of
/// by matching its nodes: exporters take heads apart, rotate, scale and mask in many ways, and all
/// of them are bilinear in the projections.
struct AttentionProbe {
  /// Where the graph turns scores into weights.
  enum Core {
    /// A Softmax node.
    case softmax(Node)
    /// Attention as one operator.
    case fused(Node)

    var node: Node {
      switch self {
      case .softmax(let node), .fused(let node): node
      }
    }

    var isFused: Bool {
      if case .fused = self { true } else { false }
    }
  }

  let graph: TracedGraph
  /// The tokens of a sequence.
  let tokens: Int
  /// The size of a token.
  let width: Int
  let sources: [AttentionSource]
  /// The nodes of the block's attention.
  let between: [Node]
  /// Whether rows lie `[tokens, batch]` instead of `[batch, tokens]`.
  let isTokensFirst: Bool
  /// What errors call the block.
  let place: String

  /// A probe; throws `badData` where there are not enough tokens to tell anything from, or where a
  /// projection has not a row for each.
  init(
    graph: TracedGraph, tokens: Int, width: Int, sources: [AttentionSource], between: [Node],
    isTokensFirst: Bool, place: String
  ) throws(DeclipError) {
    guard tokens >= 3 else {
      throw DeclipError(
        .badData, "the graph was traced with \(tokens) tokens", place: place,
        expected: "3 or more", remedy: "export with a larger input")
    }
    for source in sources {
      let shape = graph.shapes[source.layer.output] ?? []
      guard shape.last == source.layer.outputs, graph.count(source.layer.output) > 0,
        shape.dropLast().reduce(1, *) % tokens == 0
      else {
        throw DeclipError(
          .badData, "\(source.layer.node.place) gives the extents \(shape)", place: place,
          expected: "a row of \(source.layer.outputs) for each of \(tokens) tokens")
      }
    }
    self.graph = graph
    self.tokens = tokens
    self.width = width
    self.sources = sources
    self.between = between
    self.isTokensFirst = isTokensFirst
    self.place = place
  }

  /// A token's row that is put into a projection; everything else is 0.
  struct Impulse {
    let source: Int
    let token: Int
    let row: [Float]
  }

  /// `[heads, tokens, tokens]` scores of the first sequence.
  struct Scores {
    let heads: Int
    let tokens: Int
    let values: [Float]

    /// The score of two tokens; not a number where there is none: extents may depend on values.
    subscript(head: Int, row: Int, column: Int) -> Float {
      head < heads ? values[(head * tokens + row) * tokens + column] : .nan
    }
  }

  /// The projections with impulses in the first sequence, as values of the graph.
  func values(_ impulses: [Impulse]) throws(DeclipError) -> [String: Value] {
    var rows: [String: [Float]] = [:]
    for source in sources {
      let name = source.layer.output
      rows[name] = [Float](repeating: 0, count: graph.count(name))
    }
    for impulse in impulses {
      let source = sources[impulse.source]
      guard let shape = graph.shapes[source.layer.output], let size = shape.last else { continue }
      let start = rowIndex(impulse.token, shape) * size + source.columns.lowerBound
      for (column, value) in impulse.row.enumerated() {
        rows[source.layer.output]?[start + column] = value
      }
    }
    return Dictionary(
      uniqueKeysWithValues: rows.map { ($0, Value($1, shape: graph.shapes[$0] ?? [])) })
  }

  /// The place of a token of the first sequence among the rows of a value.
  private func rowIndex(_ token: Int, _ shape: [Int]) -> Int {
    isTokensFirst ? token * shape.dropLast().reduce(1, *) / tokens : token
  }

  /// The scores of a core before its softmax.
  func scores(_ core: Core, _ impulses: [Impulse]) throws(DeclipError) -> Scores {
    let given = try values(impulses)
    switch core {
    case .softmax(let node):
      let result = try graph.evaluate([node.inputs[0]], given: given)[node.inputs[0]]
      return try scores(result)
    case .fused(let node):
      let names = Array(node.inputs.prefix(2))
      let results = try graph.evaluate(names, given: given)
      guard let query = results[names[0]].flatMap({ heads($0, node, "q_num_heads") }),
        let key = results[names[1]].flatMap({ heads($0, node, "kv_num_heads") }),
        query.count == key.count, query.size == key.size
      else { throw mismatch("its queries and keys do not form heads", node) }
      var scale = 1 / Float(query.size).squareRoot()
      if case .float(let value)? = node.attributes["scale"] { scale = value }
      var values: [Float] = []
      for head in 0..<query.count {
        for row in 0..<tokens {
          for column in 0..<tokens {
            var sum: Float = 0
            for index in 0..<query.size {
              sum +=
                query.values[(head * tokens + row) * query.size + index]
                * key.values[(head * tokens + column) * key.size + index]
            }
            values.append(scale * sum)
          }
        }
      }
      return Scores(heads: query.count, tokens: tokens, values: values)
    }
  }

  private func scores(_ value: Value?) throws(DeclipError) -> Scores {
    guard let value, let floats = value.floats, value.shape.suffix(2) == [tokens, tokens] else {
      throw DeclipError(
        .badData, "the scores have the extents \(value?.shape ?? [])", place: place,
        expected: "\(tokens) x \(tokens) for each head")
    }
    let batch = value.shape.count == 4 ? value.shape[0] : self.batch
    let heads = min(floats.count / (tokens * tokens * max(batch, 1)), width)
    return Scores(
      heads: heads, tokens: tokens, values: Array(floats[..<(heads * tokens * tokens)]))
  }

  /// The sequences that the graph was traced with.
  private var batch: Int {
    graph.count(sources[0].layer.output) / (tokens * sources[0].layer.outputs)
  }

  /// An operand of a fused attention taken apart, `[heads, tokens, size]` of the first sequence.
  private func heads(
    _ value: Value, _ node: Node, _ attribute: String
  ) -> (count: Int, size: Int, values: [Float])? {
    guard let floats = value.floats, value.shape.first ?? 0 > 0 else { return nil }
    if value.shape.count == 4, value.shape[2] == tokens {
      let (count, size) = (value.shape[1], value.shape[3])
      return (count, size, Array(floats[..<(count * tokens * size)]))
    }
    guard value.shape.count == 3, value.shape[1] == tokens,
      case .integer(let heads)? = node.attributes[attribute], heads > 0,
      value.shape[2] % Int(heads) == 0
    else { return nil }
    let (count, size) = (Int(heads), value.shape[2] / Int(heads))
    var values: [Float] = []
    for head in 0..<count {
      for token in 0..<tokens {
        let start = token * value.shape[2] + head * size
        values.append(contentsOf: floats[start..<start + size])
      }
    }
    return (count, size, values)
  }

  /// Whether the aggregate `output` depends on a projection, the weights of every core held fixed.
  func aggregates(_ source: Int, cores: [Core], output: String) throws(DeclipError) -> Bool {
    let row = pattern(width, seed: 7)
    var given = try values([Impulse(source: source, token: 1, row: row)])
    var targets: [String] = []
    for core in cores {
      switch core {
      case .softmax(let node):
        guard let weights = node.outputs.first, let shape = graph.shapes[weights] else { continue }
        let count = shape.reduce(1, *)
        given[weights] = Value([Float](repeating: 1 / Float(tokens), count: count), shape: shape)
        targets = [output]
      case .fused(let node): targets.append(node.inputs[2])
      }
    }
    let results = try graph.evaluate(targets, given: given)
    return results.values.contains { $0.floats?.contains { $0 != 0 } ?? false }
  }

  /// Which projections meet in the scores of a core: those of the rows and of the columns.
  func pairs(_ core: Core) throws(DeclipError) -> [(query: Int, key: Int)] {
    let rest = try scores(core, [])
    var pairs: [(Int, Int)] = []
    for query in sources.indices {
      for key in sources.indices {
        let scores = try scores(
          core,
          [
            // The earlier token as the key, so that a causal mask lets it through.
            Impulse(source: query, token: 2, row: pattern(width, seed: 1)),
            Impulse(source: key, token: 1, row: pattern(width, seed: 1)),
          ])
        let isJoined = (0..<scores.heads).contains { head in
          abs(scores[head, 2, 1] - rest[head, 2, 1]) > 1e-6
        }
        if isJoined { pairs.append((query, key)) }
      }
    }
    return pairs
  }

  /// Throws where channels are not dealt to heads one head after the other; returns the factor on
  /// the product of queries and keys.
  func scale(
    _ core: Core, query: Int, key: Int, heads: Int
  ) throws(DeclipError) -> Float {
    let rest = try scores(core, [])
    let size = width / heads
    var scale: Float?
    for head in 0..<heads {
      var row = [Float](repeating: 0, count: width)
      for index in 0..<size { row[head * size + index] = 1 }
      // One token with itself, where a rotation has no effect.
      var impulses = [Impulse(source: query, token: 1, row: row)]
      if key != query { impulses.append(Impulse(source: key, token: 1, row: row)) }
      let scores = try scores(core, impulses)
      for other in 0..<heads {
        let value = scores[other, 1, 1] - rest[other, 1, 1]
        if other == head {
          let own = value / Float(size)
          if let scale, abs(scale - own) > 1e-4 * abs(scale) {
            throw mismatch("its heads scale scores by \(scale) and \(own)", suspect(core))
          }
          scale = scale ?? own
        } else if abs(value) > 1e-5 {
          throw mismatch("its heads share channels", suspect(core))
        }
      }
    }
    guard let scale, scale.isFinite, scale != 0 else {
      throw mismatch("its scores do not grow with queries and keys", suspect(core))
    }
    return scale
  }

  /// Whether later tokens are hidden from earlier ones.
  func isCausal(_ core: Core) throws(DeclipError) -> Bool {
    guard tokens > 1 else { return false }
    switch core {
    case .softmax:
      let scores = try scores(core, [])
      return scores[0, 0, 1] < -1e4
    case .fused(let node):
      if case .integer(let flag)? = node.attributes["is_causal"], flag != 0 { return true }
      guard node.inputs.count > 3, !node.inputs[3].isEmpty,
        let mask = try graph.evaluate([node.inputs[3]], given: [:])[node.inputs[3]],
        mask.count >= 2
      else { return false }
      return switch mask.elements {
      case .floats(let values): values[1] < -1e4
      case .integers(let values): values[1] == 0
      }
    }
  }

  /// Numbers between -1 and 1 without a pattern that heads or rotations could share.
  func pattern(_ count: Int, seed: Int) -> [Float] {
    (0..<count).map { Float(sin(Double(($0 + 1) * (2 * seed + 1)) * 0.618 + Double(seed))) }
  }

  func mismatch(
    _ problem: String, _ node: Node, expected: String? = nil
  ) -> DeclipError {
    DeclipError(.badData, "\(node.place): \(problem)", place: place, expected: expected)
  }
}
