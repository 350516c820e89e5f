import Model
import ONNX

/// A transformer block as it was found in a graph.
struct RecognisedBlock {
  /// Attention's part.
  struct Attention {
    let norm: NormLayer
    /// The projections that the graph has; in a block exported for one dense mode not all of them.
    let projections: [BlockLayer: AttentionSource]
    let innerNorm: NormLayer?
    let output: LinearLayer
    let heads: Int
    /// The factor on products of query and key.
    let scale: Float
    let rotary: RotaryPositions?
    let isCausal: Bool
    let mode: DenseMode
  }

  /// The feed-forward network's part.
  struct FeedForward {
    let norm: NormLayer
    let gate: LinearLayer?
    let up: LinearLayer
    let innerNorm: NormLayer?
    let down: LinearLayer
    let activation: Activation
  }

  let attention: Attention
  /// Nil in a block exported for a dense mode.
  let feedForward: FeedForward?
}

/// Walks a stream of tokens through pre-LN blocks.
struct BlockRecognition {
  let graph: TracedGraph
  let layers: GraphLayers
  let tower: Tower
  let tokens: Int
  let width: Int
  /// The grid of patches; nil for texts.
  let grid: Grid?

  /// The blocks from `start` on, and where the stream stands behind them.
  ///
  /// Throws `badData` naming the block and the node where the graph is no pre-LN transformer.
  func blocks(from start: String) throws(DeclipError) -> (blocks: [RecognisedBlock], end: String) {
    var stream = graph.root(start)
    var blocks: [RecognisedBlock] = []
    while true {
      let place = "\(tower.rawValue) block \(blocks.count)"
      guard let (norm, sum) = residual(of: stream) else {
        if let (attention, output) = try decoupled(stream, place) {
          blocks.append(RecognisedBlock(attention: attention, feedForward: nil))
          return (blocks, output)
        }
        return (blocks, stream)
      }
      let attention = try attention(norm, to: branch(sum, beside: stream), place)
      stream = graph.root(sum.outputs[0])
      guard let (norm, sum) = residual(of: stream) else {
        throw DeclipError(
          .badData, "ends behind its attention, at \(sum.place)", place: place,
          expected: "a LayerNorm, a feed-forward network and a residual sum")
      }
      let feedForward = try feedForward(norm, to: branch(sum, beside: stream), place)
      stream = graph.root(sum.outputs[0])
      blocks.append(RecognisedBlock(attention: attention, feedForward: feedForward))
      guard blocks.count <= 1024 else {
        throw DeclipError(.badData, "there are more than 1024 blocks", place: tower.rawValue)
      }
    }
  }

  /// The norm that reads the stream and the sum that a branch comes back to.
  private func residual(of stream: String) -> (NormLayer, Node)? {
    guard let norm = layers.norms(reading: stream).first else { return nil }
    for reader in graph.readers(of: stream, "Add") where reader.node.inputs.count == 2 {
      let other = reader.node.inputs[1 - reader.input]
      if !graph.isConstant(other), graph.root(other) != stream { return (norm, reader.node) }
    }
    return nil
  }

  /// What a sum adds to the stream.
  private func branch(_ sum: Node, beside stream: String) -> String {
    let other = sum.inputs.first { graph.root($0) != stream } ?? sum.inputs[0]
    return graph.root(other)
  }

  /// The most nodes of a branch; exporters need about a hundred.
  private static let largestBranch = 1024

  /// Every node between `start` and `end`, both roots.
  private func nodes(
    from start: String, to end: String, _ place: String
  ) throws(DeclipError) -> [Node] {
    var found: [String: Node] = [:]
    var names: [String] = []
    var open = [end]
    while let value = open.popLast() {
      guard graph.root(value) != start, let node = graph.producer(of: value),
        let name = node.outputs.first, found[name] == nil
      else { continue }
      guard names.count < Self.largestBranch else {
        throw DeclipError(
          .badData, "more than \(Self.largestBranch) nodes lead to \(quoted(end))", place: place,
          expected: "attention or a feed-forward network")
      }
      found[name] = node
      names.append(name)
      open += node.inputs.filter { !$0.isEmpty && !graph.isConstant($0) }
    }
    return names.reversed().compactMap { found[$0] }
  }

  // MARK: Attention

  /// The last block of a graph that was exported in a dense mode: attention without a residual
  /// sum and without a feed-forward network.
  private func decoupled(
    _ stream: String, _ place: String
  ) throws(DeclipError) -> (RecognisedBlock.Attention, end: String)? {
    guard tower == .vision, let norm = layers.norms(reading: stream).first,
      let output = nextLayer(behindAttentionFrom: graph.root(norm.output))
    else { return nil }
    let attention = try attention(norm, to: graph.root(output.output), place)
    guard attention.mode != .vanilla else {
      throw DeclipError(
        .badData, "compares queries with keys, but no residual sum follows \(output.node.place)",
        place: place, expected: "an ordinary block, or a dense mode: qq, kk, vv, csa, all")
    }
    return (attention, graph.root(output.output))
  }

  /// The first linear layer that reads something made by a core of attention.
  private func nextLayer(behindAttentionFrom start: String) -> LinearLayer? {
    let values = layers.linears(reading: start).map { graph.root($0.output) }
    guard !values.isEmpty else { return nil }
    var seen = Set(values)
    var open = values
    var passedCore = Set<String>()
    var next = 0
    while next < open.count {
      let value = open[next]
      next += 1
      if passedCore.contains(value), let layer = layers.linears(reading: value).first {
        return layer
      }
      for reader in graph.readers(of: value) {
        let isCore = ["Softmax", "Attention"].contains(reader.node.operation)
        for output in reader.node.outputs.map(graph.root) {
          if isCore || passedCore.contains(value) {
            if passedCore.insert(output).inserted { seen.insert(output); open.append(output) }
          } else if seen.insert(output).inserted {
            open.append(output)
          }
        }
      }
    }
    return nil
  }

  private func attention(
    _ norm: NormLayer, to end: String, _ place: String
  ) throws(DeclipError) -> RecognisedBlock.Attention {
    let start = graph.root(norm.output)
    let (output, innerNorm, aggregate) = try lastLayer(of: "its attention", at: end, place)
    let between = try nodes(from: start, to: aggregate, place)
    let cores = between.compactMap { node -> AttentionProbe.Core? in
      switch node.operation {
      case "Softmax": .softmax(node)
      case "Attention": .fused(node)
      default: nil
      }
    }
    guard !cores.isEmpty else {
      throw DeclipError(
        .badData, "no softmax lies between \(norm.output) and \(output.node.place)", place: place,
        expected: "attention")
    }
    let made = Set(between.flatMap(\.outputs))
    let own = layers.linears(reading: start).filter { made.contains($0.node.outputs[0]) }
    let sources = try sources(own, place)
    let probe = try AttentionProbe(
      graph: graph, tokens: tokens, width: width, sources: sources, between: between,
      isTokensFirst: isTokensFirst(norm, own), place: place)
    var contents: [Int] = []
    for source in sources.indices
    where try probe.aggregates(source, cores: cores, output: aggregate) {
      contents.append(source)
    }
    guard contents.count == 1 else {
      throw DeclipError(
        .badData, "\(contents.count) of its \(sources.count) projections are aggregated",
        place: place, expected: "one, the values")
    }
    return try interpret(
      probe, cores, content: contents[0],
      parts: (norm: norm, innerNorm: innerNorm, output: output), place)
  }

  /// Whether the rows that a block computes with lie `[tokens, batch]`, told from values of three
  /// extents; products may be on two.
  private func isTokensFirst(_ norm: NormLayer, _ linears: [LinearLayer]) -> Bool {
    guard var name = linears.first?.node.inputs[0] else { return false }
    while name != graph.root(name), graph.shapes[name]?.count != 3,
      let input = graph.directProducer(of: name)?.inputs.first
    {
      name = input
    }
    guard let shape = graph.shapes[name], shape.count == 3 else { return false }
    return shape[0] == tokens && shape[1] != tokens
  }

  /// Projections of the token's width: layers as they are, or thirds of one.
  private func sources(
    _ linears: [LinearLayer], _ place: String
  ) throws(DeclipError) -> [AttentionSource] {
    var sources: [AttentionSource] = []
    for layer in linears {
      guard layer.outputs % width == 0, layer.inputs == width else {
        throw DeclipError(
          .badData, "\(layer.node.place) has \(layer.outputs) columns", place: place,
          expected: "a projection of \(width) columns, or several in one")
      }
      for part in 0..<layer.outputs / width {
        sources.append(
          AttentionSource(layer: layer, columns: part * width..<(part + 1) * width))
      }
    }
    guard (1...3).contains(sources.count) else {
      throw DeclipError(
        .badData, "its attention has \(sources.count) projections", place: place,
        expected: "query, key and value")
    }
    return sources
  }

  private func interpret(
    _ probe: AttentionProbe, _ cores: [AttentionProbe.Core], content: Int,
    parts: (norm: NormLayer, innerNorm: NormLayer?, output: LinearLayer), _ place: String
  ) throws(DeclipError) -> RecognisedBlock.Attention {
    var pairsOfCores: [[(query: Int, key: Int)]] = []
    for core in cores { pairsOfCores.append(try probe.pairs(core)) }
    let pairs = pairsOfCores.flatMap(\.self)
    var projections: [BlockLayer: AttentionSource] = [.value: probe.sources[content]]
    let mode: DenseMode
    if cores.count == 1, pairs.count == 1, pairs[0].query != pairs[0].key {
      mode = .vanilla
      projections[.query] = probe.sources[pairs[0].query]
      projections[.key] = probe.sources[pairs[0].key]
    } else if pairs.allSatisfy({ $0.query == $0.key }) {
      let own = pairs.map(\.query).sorted()
      switch (cores.count, own.count, own.contains(content)) {
      case (1, 1, true): mode = .vv
      case (1, 1, false):
        mode = isKey(probe.sources[own[0]]) ? .kk : .qq
        projections[mode == .kk ? .key : .query] = probe.sources[own[0]]
      case (2, 2, false), (1, 3, true):
        mode = cores.count == 2 ? .csa : .all
        var others = own.filter { $0 != content }
        if isKey(probe.sources[others[0]]) { others.reverse() }
        projections[.query] = probe.sources[others[0]]
        projections[.key] = probe.sources[others[1]]
      default: throw unknownPairs(pairs.count, cores.count, place)
      }
    } else {
      throw unknownPairs(pairs.count, cores.count, place)
    }
    let heads = try probe.scores(cores[0], []).heads
    guard heads > 0, width % heads == 0 else {
      throw DeclipError(
        .badData, "its attention has \(heads) heads", place: place,
        expected: "a divisor of \(width)")
    }
    let (query, key) = pairs[0]
    let scale = try probe.scale(cores[0], query: query, key: key, heads: heads)
    var rotary: RotaryPositions?
    for (core, pairs) in zip(cores, pairsOfCores) {
      // Only an ordinary block rotates.
      rotary = try probe.positions(
        core, pairs, heads: heads, scale: scale, grid: mode == .vanilla ? grid : nil)
    }
    return RecognisedBlock.Attention(
      norm: parts.norm, projections: projections, innerNorm: parts.innerNorm,
      output: parts.output, heads: heads, scale: mode == .all ? 3 * scale : scale,
      rotary: rotary, isCausal: try probe.isCausal(cores[0]), mode: mode)
  }

  private func unknownPairs(_ pairs: Int, _ cores: Int, _ place: String) -> DeclipError {
    DeclipError(
      .badData, "\(cores) softmaxes weigh \(pairs) products of its projections", place: place,
      expected: "query by key, or a dense mode: qq, kk, vv, csa, all")
  }

  /// Where only one projection is compared with itself, nothing but a name or its place in a
  /// joint product tells a key from a query.
  private func isKey(_ source: AttentionSource) -> Bool {
    if source.layer.total == 3 * width {
      return source.layer.range.lowerBound + source.columns.lowerBound == width
    }
    let names = [source.layer.weight, source.layer.node.name] + source.layer.node.metadata.values
    return names.contains { $0.contains("k_proj") || $0.contains(".key") }
  }

  // MARK: Feed-forward

  private func feedForward(
    _ norm: NormLayer, to end: String, _ place: String
  ) throws(DeclipError) -> RecognisedBlock.FeedForward {
    let start = graph.root(norm.output)
    let (down, innerNorm, hidden) = try lastLayer(of: "its feed-forward network", at: end, place)
    let made = Set(try nodes(from: start, to: hidden, place).flatMap(\.outputs))
    let first = layers.linears(reading: start).filter { made.contains($0.node.outputs[0]) }
    let probe = ActivationProbe(graph: graph, place: place)
    guard first.allSatisfy({ $0.inputs == width && $0.outputs == down.inputs }) else {
      throw DeclipError(
        .badData, "its feed-forward network has layers of \(first.map(\.outputs)) columns",
        place: place, expected: "\(down.inputs) columns")
    }
    switch first.count {
    case 1:
      return RecognisedBlock.FeedForward(
        norm: norm, gate: nil, up: first[0], innerNorm: innerNorm, down: down,
        activation: try probe.activation(from: first[0], to: hidden))
    case 2:
      let (gate, up, activation) = try probe.gate(of: first[0], first[1], to: hidden)
      return RecognisedBlock.FeedForward(
        norm: norm, gate: gate, up: up, innerNorm: innerNorm, down: down, activation: activation)
    default:
      throw DeclipError(
        .badData, "its feed-forward network begins with \(first.count) linear layers",
        place: place, expected: "one, or two that are gated")
    }
  }

  /// The linear layer that ends a branch, the norm right before it, and what comes before both.
  private func lastLayer(
    of branch: String, at end: String, _ place: String
  ) throws(DeclipError) -> (layer: LinearLayer, innerNorm: NormLayer?, source: String) {
    guard let layer = layers.linear(computing: end), layer.outputs == width else {
      if let node = graph.producer(of: end), isLayerScale(node) {
        throw DeclipError(
          .badData, "\(branch) ends in a layer scale, \(node.place), which is not read yet",
          place: place, expected: "a linear layer of \(width) columns, as CLIP has",
          remedy: "multiply the scale into the weight and bias of the layer before it, and export"
            + " again")
      }
      let name = graph.producer(of: end)?.place ?? "'\(end)'"
      throw DeclipError(
        .badData, "\(branch) ends at \(name)", place: place,
        expected: "a linear layer of \(width) columns")
    }
    let innerNorm = layers.norm(computing: layer.input)
    return (layer, innerNorm, innerNorm?.input ?? layer.input)
  }

  /// Whether a node multiplies every channel by a constant of its own, as DINOv2's blocks do.
  private func isLayerScale(_ node: Node) -> Bool {
    node.operation == "Mul"
      && node.inputs.contains { graph.isConstant($0) && graph.count($0) == width }
  }
}
