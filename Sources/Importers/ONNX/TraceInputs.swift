import Glibc
import Model
import ONNX

/// What a graph is traced and verified on: seeded pixels and token ids of the sizes that the graph
/// declares, or that its position tables were made for where it leaves them free.
struct TraceInputs {
  /// The input that holds pixels, and its extents; nil without a vision tower.
  let pixels: (name: String, shape: [Int])?
  /// The input that holds token ids, and its extents; nil without a text tower.
  let tokens: (name: String, shape: [Int])?
  /// The number of token ids.
  let vocabularySize: Int
  private let others: [(name: String, type: ElementType, shape: [Int])]
  private let pixelType: ElementType
  private let tokenType: ElementType

  /// Finds out what the inputs of a graph are for.
  init(_ model: ONNXModel) throws(DeclipError) {
    let graph = model.graph
    guard graph.inputs.count <= Self.mostInputs else {
      throw DeclipError(
        .badData, "the graph has \(graph.inputs.count) inputs",
        expected: "pixels, token ids and their masks, at most \(Self.mostInputs)")
    }
    let constants = Self.storedShapes(graph)
    let batch = graph.inputs.compactMap { $0.shape?.first ?? nil }.min() ?? 1
    var pixels: (String, [Int])?
    var tokens: (String, [Int])?
    var others: [(String, ElementType, [Int])] = []
    var types: [String: ElementType] = [:]
    var size = 0
    for input in graph.inputs {
      guard let shape = input.shape, let type = input.elementType else {
        throw Self.unknown(input, "of unknown extents")
      }
      types[input.name] = type
      if type.isFloat, shape.count == 4 {
        pixels = (input.name, try Self.pixelShape(input, shape, batch, graph, constants))
      } else if !type.isFloat, shape.count == 2 {
        if let table = Self.embeddingTable(of: input.name, graph, constants) {
          size = table[0]
          let length = shape[1] ?? Self.contextLength(table, constants)
          guard let length else { throw Self.unknown(input, "of free length") }
          tokens = (input.name, [shape[0] ?? batch, length])
        } else {
          others.append((input.name, type, [shape[0] ?? batch, shape[1] ?? 0]))
        }
      } else {
        throw Self.unknown(input, "of type \(type) and \(shape.count) extents")
      }
    }
    // Masks go with the token ids.
    let length = tokens?.1[1] ?? 1
    self.others = others.map { ($0.0, $0.1, [$0.2[0], $0.2[1] == 0 ? length : $0.2[1]]) }
    self.pixels = pixels.map { ($0.0, $0.1) }
    self.tokens = tokens.map { ($0.0, $0.1) }
    vocabularySize = size
    let shapes = self.others.map { ($0.name, $0.shape) }
    for (name, shape) in [pixels, tokens].compactMap({ $0 }) + shapes {
      // As many bytes as integers take.
      let limit = model.budget.remaining / 8
      var count = 1
      for extent in shape {
        let (product, overflow) = count.multipliedReportingOverflow(by: max(1, extent))
        guard extent >= 0, !overflow, product <= limit else {
          throw DeclipError(
            .badData, "has the extents \(shape)", place: "input \(quoted(name))",
            expected: "at most \(limit) elements for a file of this size",
            remedy: "export with a smaller input")
        }
        count = product
      }
    }
    pixelType = pixels.flatMap { types[$0.0] } ?? .float32
    tokenType = tokens.flatMap { types[$0.0] } ?? .int64
  }

  /// An input of integers that no token embedding reads, in a graph without any; nil where all are
  /// understood.
  var strangeIds: String? { tokens == nil ? others.first?.name : nil }

  /// Values for every input. Texts end in `endToken`, by default the highest id, at
  /// different places.
  func values(seed: UInt64, endToken: Int? = nil) -> [String: Value] {
    let endToken = Int64(endToken ?? vocabularySize - 1)
    var generator = SplitMix64(seed: seed)
    var values: [String: Value] = [:]
    if let pixels {
      let count = pixels.shape.reduce(1, *)
      values[pixels.name] = Value(
        (0..<count).map { _ in Float(generator.uniform() * 4 - 2) }, shape: pixels.shape,
        type: pixelType)
    }
    if let tokens {
      let (rows, length) = (tokens.shape[0], tokens.shape[1])
      var ids: [Int64] = []
      for row in 0..<rows {
        let end = max(1, length - 1 - row % max(1, length - 1))
        for place in 0..<length {
          let isWord = place < end
          ids.append(
            isWord
              ? Int64(generator.next() % UInt64(max(1, min(vocabularySize - 2, Int(endToken)))))
              : place == end ? endToken : 0)
        }
      }
      values[tokens.name] = Value(ids, shape: tokens.shape, type: tokenType)
    }
    for other in others {
      values[other.name] = Value(
        [Int64](repeating: 1, count: other.shape.reduce(1, *)), shape: other.shape,
        type: other.type)
    }
    return values
  }

  // MARK: Sizes

  private static let mostInputs = 64

  /// `[batch, 3, height, width]`, free sides taken from a position table.
  private static func pixelShape(
    _ input: ValueDescription, _ shape: [Int?], _ batch: Int, _ graph: Graph,
    _ constants: [String: [Int]]
  ) throws(DeclipError) -> [Int] {
    guard shape[1] == 3 || shape[1] == nil else {
      throw unknown(input, "of \(shape[1] ?? 0) channels", expected: "[batch, 3, height, width]")
    }
    if let height = shape[2], let width = shape[3] { return [shape[0] ?? batch, 3, height, width] }
    guard let side = nativeSide(graph, constants) else {
      throw unknown(
        input, "of free size, and no position table tells the trained one",
        expected: "a convolution over patches and a table of positions",
        remedy: "export with a fixed size")
    }
    return [shape[0] ?? batch, 3, shape[2] ?? side, shape[3] ?? side]
  }

  private static func nativeSide(_ graph: Graph, _ constants: [String: [Int]]) -> Int? {
    guard let patches = graph.nodes.first(where: { $0.operation == "Conv" }),
      patches.inputs.count > 1, let weight = constants[patches.inputs[1]], weight.count == 4
    else { return nil }
    let width = weight[0]
    let sides = constants.values.compactMap { shape -> Int? in
      // A table of patches alone, ready to be resized.
      if shape.count == 4, shape[0] == 1, shape[1] == shape[2] || shape[2] == shape[3],
        shape[1] == width || shape[3] == width, shape[2] > 1
      {
        return shape[2] * weight[2]
      }
      guard shape.count >= 2, shape.last == width, shape.dropLast(2).allSatisfy({ $0 == 1 }),
        let side = squareRoot(of: shape[shape.count - 2] - 1), side > 1
      else { return nil }
      return side * weight[2]
    }
    if let side = sides.max() { return side }
    // A table of patches that the graph lays out as a picture first; layers are never reshaped.
    return graph.nodes.lazy.filter { $0.operation == "Reshape" }.compactMap { node -> Int? in
      guard let shape = node.inputs.first.flatMap({ constants[$0] }), shape.count >= 2,
        shape.last == width,
        let side = squareRoot(of: shape[shape.count - 2]), side > 1
      else { return nil }
      return side * weight[2]
    }.first
  }

  /// The extents of the table that an input of ids is looked up in; nil where it is none of ids.
  private static func embeddingTable(
    of input: String, _ graph: Graph, _ constants: [String: [Int]]
  ) -> [Int]? {
    var names: Set = [input]
    for node in graph.nodes {
      guard let first = node.inputs.first else { continue }
      if ["Cast", "Identity", "Reshape"].contains(node.operation), names.contains(first) {
        names.formUnion(node.outputs)
      }
      if node.operation == "Gather", node.inputs.count == 2, names.contains(node.inputs[1]),
        let table = constants[first], table.count == 2
      {
        return table
      }
    }
    return nil
  }

  private static func contextLength(_ table: [Int], _ constants: [String: [Int]]) -> Int? {
    constants.values.compactMap { shape in
      guard shape.count >= 2, shape.last == table[1], shape.dropLast(2).allSatisfy({ $0 == 1 }),
        shape[shape.count - 2] != table[0], (2...4096).contains(shape[shape.count - 2])
      else { return nil }
      // Square matrices are layers, not positions.
      return shape[shape.count - 2] == table[1] ? nil : shape[shape.count - 2]
    }.min()
  }

  private static func storedShapes(_ graph: Graph) -> [String: [Int]] {
    var shapes = graph.initializers.filter { $0.value.elementType.isFloat }.mapValues(\.shape)
    for node in graph.nodes where node.operation == "Constant" {
      if case .tensor(let tensor)? = node.attributes["value"], tensor.elementType.isFloat,
        let output = node.outputs.first
      {
        shapes[output] = tensor.shape
      }
    }
    return shapes
  }

  private static func unknown(
    _ input: ValueDescription, _ problem: String, expected: String? = nil, remedy: String? = nil
  ) -> DeclipError {
    DeclipError(
      .badData, "is \(problem)", place: "input \(quoted(input.name))",
      expected: expected ?? "pixels [batch, 3, height, width] or token ids [batch, length]",
      remedy: remedy)
  }
}

/// Sebastiano Vigna's SplitMix64, whose sequence a seed determines everywhere.
struct SplitMix64 {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A number from 0 up to but not including 1.
  mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }
}
