import Model

/// Runs inference graphs in float arithmetic, one node after the other: a reference to compare
/// with, not a way to be fast.
///
/// Floats of every width are computed as binary32. Values are freed after their last use, and
/// initializers are widened only for the node that reads them. What a graph may take is what the
/// budget of its files has left, and what it may compute is bounded by their size, over all runs
/// of one interpreter, so that a damaged one can take neither all memory nor all day.
public struct Interpreter: Sendable {
  /// The model.
  public let model: ONNXModel
  private let work: WorkLimit
  /// Places of nodes by the names of their outputs.
  private let producers: [String: Int]

  /// An interpreter of `model`.
  public init(_ model: ONNXModel) {
    self.model = model
    work = WorkLimit(fileSize: model.files.reduce(0) { $0 + $1.bytes.count })
    var producers: [String: Int] = [:]
    for (index, node) in model.graph.nodes.enumerated() {
      for output in node.outputs where !output.isEmpty { producers[output] = index }
    }
    self.producers = producers
  }

  /// Computes `targets`, by default the graph's outputs.
  ///
  /// Only nodes that the targets need are run. `given` holds the graph's inputs, and may hold any
  /// other value, which is then taken as it is instead of being computed; so may `known`, where
  /// `given` has no such value. Every value that is computed is shown to `observer`.
  ///
  /// Throws `badData` naming the node for an operator that is not supported, for operands that do
  /// not fit it, for inputs that are missing, and for more than the file allows.
  public func run(
    _ given: [String: Value], known: [String: Value] = [:], targets: [String]? = nil,
    observer: ((Node, String, Value) -> Void)? = nil
  ) throws(DeclipError) -> [String: Value] {
    let targets = targets ?? model.graph.outputs.map(\.name)
    let memory = model.budget.remaining
    var state = RunningValues(given: given, known: known)
    for (name, value) in given { try check(value, of: name, nil) }
    let needed = needed(for: targets, state)
    for target in targets { state.expect(target) }
    for index in needed {
      for input in model.graph.nodes[index].inputs { state.expect(input) }
    }
    for index in needed {
      let node = model.graph.nodes[index]
      var (operands, size, kept, freed): ([Value?], Int, Int, Int) = ([], 0, state.bytes, 0)
      for name in node.inputs {
        guard !name.isEmpty else {
          operands.append(nil)
          continue
        }
        let operand: Value
        if let value = state[name] {
          operand = value
        } else {
          operand = try stored(name, node, room: memory - kept)
          kept += operand.byteCount
        }
        operands.append(operand)
        size += operand.count
        freed += state.use(name)
      }
      // Operands exist until the node is done, whether they are used again or not.
      let results = try run(node, operands, Allowance(memory - kept))
      operands = []
      state.bytes -= freed
      for (name, result) in zip(node.outputs, results) where !name.isEmpty {
        try check(result, of: name, node)
        size += 4 * result.count
        observer?(node, name, result)
        state.keep(result, as: name)
      }
      guard state.bytes <= memory else {
        throw DeclipError(
          .badData, "the graph's values take more than \(memory) bytes", place: node.place,
          expected: "values in proportion to the file", remedy: "export with a smaller input")
      }
      guard work.spend(64 + size) else { throw endless(node) }
    }
    var outputs: [String: Value] = [:]
    for target in targets {
      if let value = state[target] {
        outputs[target] = value
      } else {
        outputs[target] = try stored(target, nil, room: memory - state.bytes)
      }
    }
    return outputs
  }

  /// Runs one node on its operands.
  func run(
    _ node: Node, _ inputs: [Value?], _ memory: Allowance
  ) throws(DeclipError) -> [Value] {
    // Others of that domain have names of the standard and another meaning.
    guard node.domain.isEmpty || node.domain == "com.microsoft" && gelus.contains(node.operation),
      let operation = operators[node.operation]
    else {
      let domain = node.domain.isEmpty ? "" : node.domain + "."
      throw DeclipError(
        .badData, "the operator \(domain)\(node.operation) is not supported",
        place: node.place,
        expected: "an operator of formats/onnx-coverage.md, operator set \(model.opset)")
    }
    let call = Call(node: node, inputs: inputs, opset: model.opset, memory: memory, work: work)
    return try operation(call)
  }

  /// An initializer, widened where there is room for it.
  private func stored(
    _ name: String, _ node: Node?, room: Int
  ) throws(DeclipError) -> Value {
    guard let stored = model.graph.initializers[name] else {
      throw DeclipError(
        .badData, "the value \(name.debugDescription) is computed by no node before",
        place: node?.place ?? "graph",
        expected: "an input, an initializer or the output of an earlier node")
    }
    let width = stored.elementType.isFloat ? 4 : 8
    guard elementCount(stored.shape, upTo: max(0, room) / width) != nil else {
      throw DeclipError(
        .badData, "an operand has the extents \(stored.shape)", place: node?.place,
        expected: "at most \(max(0, room) / width) elements")
    }
    defer { stored.bytes.releasePages() }
    return Value(stored)
  }

  /// Throws where a value's elements are not as many as its extents say, which everything that
  /// reads it relies on.
  private func check(_ value: Value, of name: String, _ node: Node?) throws(DeclipError) {
    guard value.shape.count <= largestRank,
      elementCount(value.shape, upTo: Int(Int32.max)) == value.count
    else {
      throw DeclipError(
        .badData,
        "the value \(name.debugDescription) has \(value.count) elements and "
          + "\(value.shape.count) extents, \(value.shape.prefix(8))", place: node?.place,
        expected: "elements that fit the extents, at most \(largestRank) of these")
    }
  }

  private func endless(_ node: Node) -> DeclipError {
    DeclipError(
      .badData, "the graph computes more than a file of its size has reason to",
      place: node.place, expected: "work in proportion to the file",
      remedy: "export with a smaller input")
  }

  /// The nodes that `targets` depend on, in the order of the graph.
  private func needed(for targets: [String], _ state: RunningValues) -> [Int] {
    var wanted = Set<Int>()
    var open = targets
    while let name = open.popLast() {
      guard state[name] == nil, let index = producers[name], wanted.insert(index).inserted else {
        continue
      }
      open += model.graph.nodes[index].inputs.lazy.filter { !$0.isEmpty }
    }
    return wanted.sorted()
  }
}

/// The values that exist while a graph runs.
private struct RunningValues {
  private let given: [String: Value]
  private let known: [String: Value]
  private var computed: [String: Value] = [:]
  /// How often each value will still be read.
  private var uses: [String: Int] = [:]
  /// What all values take but those that are known.
  var bytes: Int

  init(given: [String: Value], known: [String: Value]) {
    self.given = given
    self.known = known
    bytes = given.values.reduce(0) { $0 + $1.byteCount }
  }

  subscript(name: String) -> Value? { given[name] ?? computed[name] ?? known[name] }

  /// Notes one reader to come.
  mutating func expect(_ name: String) { uses[name, default: 0] += 1 }

  /// Notes that a reader has read; returns the bytes of a value that no other will read, which is
  /// forgotten.
  mutating func use(_ name: String) -> Int {
    uses[name, default: 1] -= 1
    guard uses[name] == 0 else { return 0 }
    return computed.removeValue(forKey: name)?.byteCount ?? 0
  }

  /// Keeps a result that will be read and is not given.
  mutating func keep(_ value: Value, as name: String) {
    guard uses[name, default: 0] > 0, given[name] == nil else { return }
    bytes += value.byteCount - (computed.updateValue(value, forKey: name)?.byteCount ?? 0)
  }
}

extension Node {
  /// What errors call the node.
  public var place: String { "node '\(name)' (\(operation))" }
}
