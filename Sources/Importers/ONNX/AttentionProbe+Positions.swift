import Glibc
import Model
import ONNX

extension AttentionProbe {
  /// The rotary positions by which a core compares tokens; nil where it compares them as they are.
  ///
  /// Every token takes part, as a row and as a column, in every head. `pairs` are the projections
  /// that meet in the core; rotations are only looked for where a `grid` is given. Throws `badData`
  /// naming the node where scores are anything but `scale` times the products of tokens, plain or
  /// rotated as EVA02 does, along rows in the first half of a head and along columns in the second.
  func positions(
    _ core: Core, _ pairs: [(query: Int, key: Int)], heads: Int, scale: Float, grid: Grid?
  ) throws(DeclipError) -> RotaryPositions? {
    let rest = try scores(core, [])
    var generator = SplitMix64(seed: 1)
    let rows = sources.map { _ in
      (0..<tokens * width).map { _ in Float(generator.uniform() * 2 - 1) }
    }
    let used = Set(pairs.flatMap { [$0.query, $0.key] })
    let impulses = used.sorted().flatMap { source in
      (0..<tokens).map { token in
        Impulse(
          source: source, token: token,
          row: Array(rows[source][token * width..<(token + 1) * width]))
      }
    }
    let found = try scores(core, impulses)
    var candidates: [RotaryPositions?] = [nil]
    if let grid, tokens == grid.count + 1, width / heads % 4 == 0 {
      candidates += [16, Float(grid.rows), 1, Float.pi, 2 * Float.pi].map {
        RotaryPositions(theta: 10_000, extent: $0)
      }
    }
    var plain: Difference?
    for rotary in candidates {
      let tables = rotary.flatMap { rotary in
        grid.map { RotaryAngles(rotary, grid: $0, headSize: width / heads) }
      }
      let turned = rows.map { row in tables.map { $0.rotated(row, width: width) } ?? row }
      let difference = difference(found, rest, turned, pairs, heads: heads, scale: scale)
      guard let difference else { return rotary }
      plain = plain ?? difference
    }
    let example = plain.map {
      " (tokens \($0.row) and \($0.column) of head \($0.head) score \($0.found), "
        + "unrotated \($0.expected))"
    }
    throw mismatch(
      "changes queries or keys in a way that is not known\(example ?? "")", suspect(core),
      expected: "scaling, heads taken apart, or rotary positions of EVA02: neighbouring channels, "
        + "base 10000, extent 16")
  }

  /// Two tokens whose score is not as expected.
  private struct Difference {
    let head: Int
    let row: Int
    let column: Int
    let found: Float
    let expected: Float
  }

  /// The first difference between scores and `scale` times the products of `rows`, where no mask
  /// hides it; nil without any.
  ///
  /// The bound is 5e-4 of what the product may be at most: tables of 16-bit floats are off by half
  /// of that, those of 32 bits by far less.
  private func difference(
    _ found: Scores, _ rest: Scores, _ rows: [[Float]], _ pairs: [(query: Int, key: Int)],
    heads: Int, scale: Float
  ) -> Difference? {
    let size = width / heads
    // Itself, the neighbours, and far ones; so every token is met in several ways.
    let distances = Set([0, 1, tokens - 1, tokens / 2, tokens / 3 + 1]).sorted()
    for head in 0..<heads {
      for row in 0..<tokens {
        for distance in distances {
          let column = (row + distance) % tokens
          let masked = rest[head, row, column]
          let score = found[head, row, column]
          // Hidden by a mask before and after.
          if masked < -1e4, score < -1e4 { continue }
          var (expected, bound) = (Float(0), Float(0))
          for (query, key) in pairs {
            let a = rows[query][row * width + head * size..<row * width + (head + 1) * size]
            let b = rows[key][column * width + head * size..<column * width + (head + 1) * size]
            expected += zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
            bound +=
              (a.reduce(0) { $0 + $1 * $1 } * b.reduce(0) { $0 + $1 * $1 }).squareRoot()
          }
          let own = (score - masked) / scale
          if !(abs(own - expected) <= 5e-4 * bound) {
            return Difference(
              head: head, row: row, column: column, found: own, expected: expected)
          }
        }
      }
    }
    return nil
  }

  /// The node to look at where a core compares something else than tokens: the first that
  /// multiplies by a table, else the first that does more than scale and lay out, else the core.
  func suspect(_ core: Core) -> Node {
    let taken: Set = [
      "Slice", "Split", "Gather", "GatherElements", "GatherND", "Concat", "Identity", "Cast",
      "Dropout", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Expand",
    ]
    var candidates: [Node] = []
    for node in leading(to: core) where !taken.contains(node.operation) {
      let constants = node.inputs.filter { graph.isConstant($0) && !$0.isEmpty }
      if ["Mul", "Div"].contains(node.operation), let table = constants.first {
        if graph.count(table) > 1 { return node }
      } else if node.operation != "MatMul" || !constants.isEmpty {
        candidates.append(node)
      }
    }
    return candidates.first ?? core.node
  }

  /// The nodes between the projections and the scores, in the order of the graph.
  private func leading(to core: Core) -> [Node] {
    let makers = Dictionary(
      between.flatMap { node in node.outputs.map { ($0, node) } }, uniquingKeysWith: { $1 })
    let ends = Set(sources.map(\.layer.output))
    var open = Array(core.node.inputs.prefix(core.isFused ? 2 : 1))
    var found = Set<String>()
    while let name = open.popLast() {
      // Layouts were passed over when the nodes between were collected.
      for value in [name, graph.root(name)] {
        guard !ends.contains(value), let node = makers[value], found.insert(value).inserted else {
          continue
        }
        open += node.inputs.filter { !graph.isConstant($0) }
      }
    }
    return graph.nodes.filter { $0.outputs.contains(where: found.contains) }
  }
}

/// The angles by which every token's pairs of neighbouring channels are turned.
private struct RotaryAngles {
  private let headSize: Int
  /// `[tokens, headSize / 2]`, those of the class token 0.
  private let angles: [Double]

  init(_ rotary: RotaryPositions, grid: Grid, headSize: Int) {
    let quarter = headSize / 4
    let frequencies = (0..<quarter).map {
      pow(Double(rotary.theta), -2 * Double($0) / Double(headSize / 2))
    }
    var angles = [Double](repeating: 0, count: headSize / 2)
    for patch in 0..<grid.count {
      let row = Double(patch / grid.columns) / Double(grid.rows)
      let column = Double(patch % grid.columns) / Double(grid.columns)
      for position in [row, column] {
        angles += frequencies.map { Double(rotary.extent) * position * $0 }
      }
    }
    self.headSize = headSize
    self.angles = angles
  }

  /// The rows of all tokens, turned head by head.
  func rotated(_ rows: [Float], width: Int) -> [Float] {
    var rows = rows
    for token in 0..<rows.count / width {
      for pair in 0..<width / 2 {
        let angle = angles[token * headSize / 2 + pair % (headSize / 2)]
        let place = token * width + 2 * pair
        let (a, b) = (Double(rows[place]), Double(rows[place + 1]))
        rows[place] = Float(a * cos(angle) - b * sin(angle))
        rows[place + 1] = Float(a * sin(angle) + b * cos(angle))
      }
    }
    return rows
  }
}
