import COpenBLAS
import Model

/// Runs inference graphs in float arithmetic, one node after the other: a reference to compare
/// with, not a way to be fast.
///
/// Floats of every width are computed as binary32. Values are freed after their last use, and
/// initializers are widened only for the node that reads them. What a graph may take is bounded by
/// the size of its files, so that a damaged one cannot take all memory.
public struct Interpreter: Sendable {
  /// The model.
  public let model: ONNXModel
  /// The most elements that one value may have.
  let elementLimit: Int
  /// The most elements that all values together may have at any time.
  private let totalLimit: Int

  /// An interpreter of `model`.
  public init(_ model: ONNXModel) {
    self.model = model
    let bytes = model.files.reduce(0) { $0 + $1.bytes.count }
    let budget = min(2 * bytes, 1 << 36) + (64 << 20)
    elementLimit = budget / 16
    totalLimit = budget / 8
  }

  /// Computes `targets`, by default the graph's outputs.
  ///
  /// Only nodes that the targets need are run. `given` holds the graph's inputs, and may hold any
  /// other value, which is then taken as it is instead of being computed. Every value that is
  /// computed is shown to `observer`.
  ///
  /// Throws `badData` naming the node for an operator that is not supported, for operands that do
  /// not fit it, and for inputs that are missing.
  public func run(
    _ given: [String: Value], targets: [String]? = nil,
    observer: ((Node, String, Value) -> Void)? = nil
  ) throws(DeclipError) -> [String: Value] {
    openblas_set_num_threads(openblas_get_num_procs())
    defer { openblas_set_num_threads(1) }
    let targets = targets ?? model.graph.outputs.map(\.name)
    let needed = needed(for: targets, given: given)
    var uses: [String: Int] = [:]
    for target in targets { uses[target, default: 0] += 1 }
    for index in needed {
      for input in model.graph.nodes[index].inputs { uses[input, default: 0] += 1 }
    }
    var values = given
    var total = given.values.reduce(0) { $0 + $1.count }
    for index in needed {
      let node = model.graph.nodes[index]
      var operands: [Value?] = []
      for name in node.inputs {
        operands.append(name.isEmpty ? nil : try value(name, values, node))
        uses[name, default: 0] -= 1
        if uses[name] == 0, let value = values.removeValue(forKey: name) { total -= value.count }
      }
      let results = try run(node, operands)
      for (name, result) in zip(node.outputs, results) where !name.isEmpty {
        observer?(node, name, result)
        guard uses[name, default: 0] > 0, given[name] == nil else { continue }
        total += result.count - (values.updateValue(result, forKey: name)?.count ?? 0)
        guard total <= totalLimit else {
          throw DeclipError(
            .badData, "the graph's values take more than \(totalLimit) elements", place: node.place,
            expected: "values in proportion to the file", remedy: "export with a smaller input")
        }
      }
    }
    var outputs: [String: Value] = [:]
    for target in targets { outputs[target] = try value(target, values, nil) }
    return outputs
  }

  /// Runs one node on its operands.
  func run(_ node: Node, _ inputs: [Value?]) throws(DeclipError) -> [Value] {
    guard node.domain.isEmpty || node.domain == "com.microsoft",
      let operation = operators[node.operation]
    else {
      let domain = node.domain.isEmpty ? "" : node.domain + "."
      throw DeclipError(
        .badData, "the operator \(domain)\(node.operation) is not supported",
        place: node.place, expected: "an operator of formats/onnx-coverage.md",
        remedy: "opset \(model.opset)")
    }
    let call = Call(node: node, inputs: inputs, opset: model.opset, elementLimit: elementLimit)
    return try operation(call)
  }

  private func value(
    _ name: String, _ values: [String: Value], _ node: Node?
  ) throws(DeclipError) -> Value {
    if let value = values[name] { return value }
    if let stored = model.graph.initializers[name] {
      try check(stored.shape, node)
      defer { stored.bytes.releasePages() }
      return Value(stored)
    }
    throw DeclipError(
      .badData, "the value '\(name)' is computed by no node before",
      place: node?.place ?? "graph",
      expected: "an input, an initializer or the output of an earlier node")
  }

  private func check(_ shape: [Int], _ node: Node?) throws(DeclipError) {
    guard elementCount(shape, upTo: elementLimit) != nil else {
      throw DeclipError(
        .badData, "an operand has the extents \(shape)", place: node?.place,
        expected: "at most \(elementLimit) elements")
    }
  }

  /// The nodes that `targets` depend on, in the order of the graph.
  private func needed(for targets: [String], given: [String: Value]) -> [Int] {
    var wanted = Set(targets)
    var indices: [Int] = []
    for (index, node) in model.graph.nodes.enumerated().reversed()
    where node.outputs.contains(where: { wanted.contains($0) && given[$0] == nil }) {
      wanted.formUnion(node.inputs.filter { !$0.isEmpty && given[$0] == nil })
      indices.append(index)
    }
    return indices.reversed()
  }
}

extension Node {
  /// What errors call the node.
  public var place: String { "node '\(name)' (\(operation))" }
}

/// The product of extents; nil where one is negative or the product exceeds `limit`.
func elementCount(_ shape: [Int], upTo limit: Int) -> Int? {
  var count = 1
  for extent in shape {
    let (product, overflow) = count.multipliedReportingOverflow(by: extent)
    guard extent >= 0, !overflow, product <= limit else { return nil }
    count = product
  }
  return count
}
