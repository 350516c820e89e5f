import Model
import ONNX

/// A linear layer found in a graph: `output = input * weight^T + bias`.
struct LinearLayer {
  /// The root of what is multiplied.
  let input: String
  /// The value that holds the result, bias added.
  let output: String
  /// The constant matrix.
  let weight: String
  /// Whether the matrix is stored `[in, out]`.
  let isTransposed: Bool
  /// The constant that is added; nil without a bias.
  let bias: String?
  /// The size of a row that goes in.
  let inputs: Int
  /// The rows of the whole matrix that make up this layer: all of them unless the product is
  /// split into several layers.
  let range: Range<Int>
  /// The rows of the constant that is added; it may be added before or after a split.
  let biasRange: Range<Int>
  /// The size of a row of the whole matrix's result.
  let total: Int
  /// The factor on the product.
  let factor: Float
  /// The node that multiplies.
  let node: Node

  /// The size of a row that comes out.
  var outputs: Int { range.count }
}

/// A LayerNorm found in a graph, fused or spelled out.
struct NormLayer {
  /// The root of what is normalised.
  let input: String
  /// The value that holds the result.
  let output: String
  let gain: String
  let bias: String?
  let epsilon: Float
}

/// The linear layers and norms of a graph, by the roots of what they read.
struct GraphLayers {
  private(set) var linears: [LinearLayer] = []
  private(set) var norms: [NormLayer] = []
  private var linearsByInput: [String: [Int]] = [:]
  private var linearsByOutput: [String: Int] = [:]
  private var normsByInput: [String: [Int]] = [:]
  private var normsByOutput: [String: Int] = [:]

  init(_ graph: TracedGraph) throws(DeclipError) {
    for node in graph.nodes {
      if let parts = Self.linear(node, graph) {
        for layer in parts {
          linearsByInput[layer.input, default: []].append(linears.count)
          linearsByOutput[graph.root(layer.output)] = linears.count
          linears.append(layer)
        }
      }
      if let norm = Self.fusedNorm(node, graph) ?? Self.spelledNorm(node, graph) {
        normsByInput[norm.input, default: []].append(norms.count)
        normsByOutput[graph.root(norm.output)] = norms.count
        norms.append(norm)
      }
    }
  }

  /// The linear layers that read a value.
  func linears(reading root: String) -> [LinearLayer] {
    (linearsByInput[root] ?? []).map { linears[$0] }
  }

  /// The linear layer whose result a value is.
  func linear(computing root: String) -> LinearLayer? {
    linearsByOutput[root].map { linears[$0] }
  }

  /// The norms that read a value.
  func norms(reading root: String) -> [NormLayer] {
    (normsByInput[root] ?? []).map { norms[$0] }
  }

  /// The norm whose result a value is.
  func norm(computing root: String) -> NormLayer? { normsByOutput[root].map { norms[$0] } }

  // MARK: Linear layers

  private static func linear(_ node: Node, _ graph: TracedGraph) -> [LinearLayer]? {
    guard node.inputs.count >= 2, let output = node.outputs.first,
      !graph.isConstant(node.inputs[0]), graph.isConstant(node.inputs[1]),
      let shape = graph.shapes[node.inputs[1]], shape.count == 2
    else { return nil }
    var (isTransposed, factor, bias) = (true, Float(1), String?.none)
    switch node.operation {
    case "MatMul": break
    case "Gemm":
      if case .integer(1)? = node.attributes["transA"] { return nil }
      if case .integer(1)? = node.attributes["transB"] { isTransposed = false }
      if case .float(let alpha)? = node.attributes["alpha"] { factor = alpha }
      if case .float(let beta)? = node.attributes["beta"], beta != 1, node.inputs.count > 2 {
        return nil
      }
      if node.inputs.count > 2, !node.inputs[2].isEmpty {
        guard graph.isConstant(node.inputs[2]) else { return nil }
        bias = node.inputs[2]
      }
    default: return nil
    }
    let total = shape[isTransposed ? 1 : 0]
    let inputs = shape[isTransposed ? 0 : 1]
    var result = output
    if bias == nil, let added = addition(of: output, total, graph) { (result, bias) = added }
    func layer(_ result: String, _ range: Range<Int>, _ own: String?) -> LinearLayer {
      LinearLayer(
        input: graph.root(node.inputs[0]), output: result, weight: node.inputs[1],
        isTransposed: isTransposed, bias: own ?? bias, inputs: inputs, range: range,
        biasRange: own == nil ? range : 0..<range.count, total: total, factor: factor, node: node)
    }
    // Several layers in one product, taken apart by a Split of the last axis.
    let split = graph.readers(of: result)
    if split.count == 1, split[0].node.operation == "Split",
      graph.shapes[split[0].node.inputs[0]]?.last == total
    {
      var start = 0
      var layers: [LinearLayer] = []
      for part in split[0].node.outputs {
        guard let width = graph.shapes[part]?.last else { return nil }
        let added = bias == nil ? addition(of: part, width, graph) : nil
        layers.append(layer(added?.value ?? part, start..<start + width, added?.bias))
        start += width
      }
      return start == total ? layers : nil
    }
    return [layer(result, 0..<total, nil)]
  }

  /// The addition of a constant row that alone reads a product.
  private static func addition(
    of output: String, _ columns: Int, _ graph: TracedGraph
  ) -> (value: String, bias: String)? {
    let readers = graph.readers(of: output)
    guard readers.count == 1, readers[0].node.operation == "Add",
      let value = readers[0].node.outputs.first
    else { return nil }
    let bias = readers[0].node.inputs[1 - readers[0].input]
    guard graph.isConstant(bias), graph.count(bias) == columns,
      graph.shapes[bias]?.last == columns
    else { return nil }
    return (value, bias)
  }

  // MARK: Norms

  private static func fusedNorm(_ node: Node, _ graph: TracedGraph) -> NormLayer? {
    guard node.operation == "LayerNormalization", node.inputs.count >= 2,
      let output = node.outputs.first, !graph.isConstant(node.inputs[0])
    else { return nil }
    var epsilon: Float = 1e-5
    if case .float(let value)? = node.attributes["epsilon"] { epsilon = value }
    let bias = node.inputs.count > 2 && !node.inputs[2].isEmpty ? node.inputs[2] : nil
    return NormLayer(
      input: graph.root(node.inputs[0]), output: output, gain: node.inputs[1], bias: bias,
      epsilon: epsilon)
  }

  /// `(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) * gain + bias`, from the subtraction.
  private static func spelledNorm(_ node: Node, _ graph: TracedGraph) -> NormLayer? {
    guard node.operation == "Sub", node.inputs.count == 2,
      let mean = graph.producer(of: node.inputs[1]), mean.operation == "ReduceMean",
      graph.root(mean.inputs[0]) == graph.root(node.inputs[0]), let difference = node.outputs.first
    else { return nil }
    func only(_ value: String, _ operations: String...) -> TracedGraph.Reader? {
      graph.readers(of: value).first { operations.contains($0.node.operation) }
    }
    func output(_ reader: TracedGraph.Reader?) -> String? { reader?.node.outputs.first }
    func constant(_ reader: TracedGraph.Reader?) -> String? {
      guard let reader, reader.node.inputs.count == 2 else { return nil }
      let other = reader.node.inputs[1 - reader.input]
      return graph.isConstant(other) ? other : nil
    }
    guard let square = output(only(difference, "Pow") ?? squareProduct(of: difference, graph)),
      let variance = output(only(square, "ReduceMean")), let sum = only(variance, "Add"),
      let epsilon = constant(sum).flatMap(graph.scalar), let shifted = output(sum),
      let root = output(only(shifted, "Sqrt") ?? only(shifted, "Pow")),
      let quotient = output(only(root, "Div") ?? productOfInverse(root, graph)),
      let product = only(quotient, "Mul"), let gain = constant(product),
      let scaled = output(product)
    else { return nil }
    let sum2 = only(scaled, "Add")
    let bias = constant(sum2)
    return NormLayer(
      input: graph.root(node.inputs[0]), output: bias == nil ? scaled : output(sum2) ?? scaled,
      gain: gain, bias: bias, epsilon: epsilon)
  }

  private static func squareProduct(
    of value: String, _ graph: TracedGraph
  ) -> TracedGraph.Reader? {
    graph.readers(of: value, "Mul").first { reader in
      reader.node.inputs.allSatisfy { graph.root($0) == graph.root(value) }
    }
  }

  /// The product with a reciprocal where the norm does not divide.
  private static func productOfInverse(
    _ root: String, _ graph: TracedGraph
  ) -> TracedGraph.Reader? {
    if let inverse = graph.readers(of: root, "Reciprocal").first?.node.outputs.first {
      return graph.readers(of: inverse, "Mul").first
    }
    return graph.readers(of: root, "Mul").first
  }
}
