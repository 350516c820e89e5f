import Model
import ONNX

/// What a tower consists of besides its blocks, and the blocks.
struct RecognisedTower {
  let tokens: Int
  let width: Int
  /// The constant that is added to the embedded tokens.
  let positions: String
  let preNorm: NormLayer?
  let blocks: [RecognisedBlock]
  let norm: NormLayer
  let projection: LinearLayer
  /// The value that holds the embedding or the dense features.
  let output: String
}

/// The vision tower's way in.
struct RecognisedPatches {
  let convolution: Node
  let classToken: String
  let patchSize: Int
  let grid: Grid
}

/// Finds the towers of a graph from their inputs on.
struct TowerRecognition {
  let graph: TracedGraph
  let layers: GraphLayers

  /// The vision tower that reads `pixels`.
  func vision(
    pixels: String
  ) throws(DeclipError) -> (tower: RecognisedTower, patches: RecognisedPatches) {
    let place = "patch embedding"
    guard let convolution = graph.readers(of: pixels, "Conv").first?.node,
      convolution.inputs.count >= 2, graph.isConstant(convolution.inputs[1]),
      let weight = graph.shapes[convolution.inputs[1]], weight.count == 4, weight[0] > 0,
      let image = graph.shapes[pixels]
    else {
      let reader = graph.readers(of: pixels).first?.node.place ?? "nothing"
      throw DeclipError(
        .badData, "the pixels go to \(reader)", place: place,
        expected: "a convolution with constant weights over patches",
        remedy: "export without preprocessing in the graph")
    }
    let (width, patch) = (weight[0], weight[2])
    guard weight[1] == 3, weight[3] == patch,
      case .integers(let strides)? = convolution.attributes["strides"],
      strides == [Int64(patch), Int64(patch)], image[2] % patch == 0, image[3] % patch == 0
    else {
      throw DeclipError(
        .badData, "\(convolution.place) has the weight \(weight) and strides that differ from it",
        place: place, expected: "square patches of three channels that do not overlap")
    }
    let grid = Grid(rows: image[2] / patch, columns: image[3] / patch)
    guard let joined = graph.readers(of: convolution.outputs[0], "Concat").first?.node,
      joined.inputs.count == 2,
      let classToken = joined.inputs.first(where: graph.isConstant),
      graph.count(classToken) % width == 0, graph.count(classToken) > 0
    else {
      throw DeclipError(
        .badData, "no class token is put before what \(convolution.place) computes", place: place,
        expected: "a Concat of a constant and the patches")
    }
    let tokens = 1 + grid.count
    let (positions, sum) = try positions(joined.outputs[0], tokens, width, place)
    let tower = try tower(.vision, from: sum, positions, tokens, width, grid)
    return (
      tower,
      RecognisedPatches(
        convolution: convolution, classToken: classToken, patchSize: patch, grid: grid)
    )
  }

  /// The text tower that reads token `ids`.
  func text(ids: String) throws(DeclipError) -> (tower: RecognisedTower, table: String) {
    let place = "token embedding"
    let lookup = graph.readers(of: ids, "Gather").first {
      $0.input == 1 && graph.isConstant($0.node.inputs[0])
        && graph.shapes[$0.node.inputs[0]]?.count == 2
    }
    guard let node = lookup?.node, let table = graph.shapes[node.inputs[0]], table[1] > 0,
      let length = graph.shapes[ids]?.last, length > 0
    else {
      throw DeclipError(
        .badData, "no table is read at '\(ids)'", place: place,
        expected: "a Gather from a constant matrix")
    }
    let (positions, sum) = try positions(node.outputs[0], length, table[1], place)
    return (try tower(.text, from: sum, positions, length, table[1], nil), node.inputs[0])
  }

  private func positions(
    _ value: String, _ tokens: Int, _ width: Int, _ place: String
  ) throws(DeclipError) -> (positions: String, sum: String) {
    for reader in graph.readers(of: value, "Add") where reader.node.inputs.count == 2 {
      let other = reader.node.inputs[1 - reader.input]
      if graph.isConstant(other), graph.count(other) % (tokens * width) == 0,
        graph.count(other) > 0
      {
        return (other, reader.node.outputs[0])
      }
    }
    throw DeclipError(
      .badData, "no positions are added to '\(value)'", place: place,
      expected: "an Add of a constant of \(tokens) x \(width)")
  }

  private func tower(
    _ tower: Tower, from start: String, _ positions: String, _ tokens: Int, _ width: Int,
    _ grid: Grid?
  ) throws(DeclipError) -> RecognisedTower {
    var stream = graph.root(start)
    var preNorm: NormLayer?
    let readers = graph.readers(of: stream)
    if let norm = layers.norms(reading: stream).first,
      !readers.contains(where: { $0.node.operation == "Add" })
    {
      preNorm = norm
      stream = graph.root(norm.output)
    }
    let recognition = BlockRecognition(
      graph: graph, layers: layers, tower: tower, tokens: tokens, width: width, grid: grid)
    let (blocks, end) = try recognition.blocks(from: stream)
    guard !blocks.isEmpty else {
      throw DeclipError(
        .badData, "no block reads '\(stream)'", place: "\(tower.rawValue) tower",
        expected: "a LayerNorm and a residual sum")
    }
    let place = "\(tower.rawValue) head"
    guard let norm = first(behind: end, layers.norms(reading:)) else {
      throw DeclipError(
        .badData, "no LayerNorm reads what the last block computes", place: place,
        expected: "the final LayerNorm", remedy: "export the model with its projection")
    }
    guard let projection = first(behind: graph.root(norm.output), layers.linears(reading:)),
      projection.inputs == width
    else {
      throw DeclipError(
        .badData, "no projection reads what the last LayerNorm computes", place: place,
        expected: "a linear layer to the space that pictures and texts share",
        remedy: "export the model with its projection (in transformers, "
          + "CLIPVisionModelWithProjection)")
    }
    return RecognisedTower(
      tokens: tokens, width: width, positions: positions, preNorm: preNorm, blocks: blocks,
      norm: norm, projection: projection, output: projection.output)
  }

  /// Operators that choose tokens.
  private static let choices: Set = ["Slice", "Gather", "GatherND", "GatherElements"]

  /// The first layer that reads a stream, tokens chosen on the way or not.
  private func first<Layer>(behind stream: String, _ reading: (String) -> [Layer]) -> Layer? {
    var open = [stream]
    var seen: Set = [stream]
    var next = 0
    while next < open.count {
      let value = open[next]
      next += 1
      if let layer = reading(value).first { return layer }
      for reader in graph.readers(of: value)
      where Self.choices.contains(reader.node.operation) && reader.input == 0 {
        for output in reader.node.outputs.map(graph.root) where seen.insert(output).inserted {
          open.append(output)
        }
      }
    }
    return nil
  }
}
