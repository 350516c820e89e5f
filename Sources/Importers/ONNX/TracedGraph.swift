import Files
import Model
import ONNX

/// A graph together with what one run of it showed: every value's extents, and which values do
/// not depend on the inputs' elements.
///
/// Recognition works on this instead of on the bare graph, because exporters spell out sizes,
/// masks and tables in countless ways that all come to constants once the input's size is known.
struct TracedGraph {
  let model: ONNXModel
  let interpreter: Interpreter
  /// What the trace was run on.
  let inputs: [String: Value]
  /// What the trace computed.
  let outputs: [String: Value]
  /// The extents of every value that was computed.
  let shapes: [String: [Int]]
  /// The element type of every value that was computed.
  let types: [String: ElementType]
  /// The nodes that the outputs need, in the order of the graph: they were run, so each has the
  /// operands that its operator asks for, and an output. Nothing is known of any other node.
  let nodes: [Node]
  private let constants: Set<String>
  /// The inputs, and constants of few elements, kept because tables and masks are made of them
  /// again and again.
  private let known: [String: Value]
  private let producers: [String: Int]
  private let roots: [String: String]
  private let readers: [String: [Reader]]
  /// The most bytes of constants that are kept.
  private static let largestKnown = 4 << 20

  /// A node that reads a value, however it is laid out.
  struct Reader {
    let node: Node
    /// Which of the node's inputs it is.
    let input: Int
  }

  /// Runs the graph on `inputs`.
  init(_ model: ONNXModel, inputs: [String: Value]) throws(DeclipError) {
    self.model = model
    self.inputs = inputs
    interpreter = Interpreter(model)
    var shapes = inputs.mapValues(\.shape)
    var types = inputs.mapValues(\.elementType)
    var constants = Set(model.graph.initializers.keys)
    var small: [String: Value] = [:]
    var kept = 0
    for (name, stored) in model.graph.initializers { shapes[name] = stored.shape }
    outputs = try interpreter.run(inputs) { node, name, value in
      shapes[name] = value.shape
      types[name] = value.elementType
      let isFixed = ["Shape", "Size"].contains(node.operation)
      guard isFixed || node.inputs.allSatisfy({ $0.isEmpty || constants.contains($0) }) else {
        return
      }
      constants.insert(name)
      if value.count <= 4096, kept + 8 * value.count <= Self.largestKnown {
        small[name] = value
        kept += 8 * value.count
      }
    }
    self.shapes = shapes
    self.types = types
    self.constants = constants
    known = inputs.merging(small) { first, _ in first }
    nodes = model.graph.nodes.filter { $0.outputs.contains { shapes[$0] != nil } }

    var producers: [String: Int] = [:]
    var roots: [String: String] = [:]
    var readers: [String: [Reader]] = [:]
    for (index, node) in nodes.enumerated() {
      for output in node.outputs { producers[output] = index }
      for (place, input) in node.inputs.enumerated() where !constants.contains(input) {
        if !Self.layout.contains(node.operation) || place > 0 {
          readers[roots[input] ?? input, default: []].append(Reader(node: node, input: place))
        }
      }
      if Self.layout.contains(node.operation), let input = node.inputs.first,
        let output = node.outputs.first, !constants.contains(input)
      {
        roots[output] = roots[input] ?? input
      }
    }
    self.producers = producers
    self.roots = roots
    self.readers = readers
  }

  /// Operators that keep every element and only lay them out differently.
  private static let layout: Set = [
    "Identity", "Cast", "Dropout", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten",
  ]

  /// Whether the value is the same for every input of the traced size.
  func isConstant(_ name: String) -> Bool { constants.contains(name) }

  /// The value behind a chain of changes of layout.
  func root(_ name: String) -> String { roots[name] ?? name }

  /// The node that computes the root of a value; nil for inputs and constants.
  func producer(of name: String) -> Node? {
    producers[root(name)].map { nodes[$0] }
  }

  /// The node that computes a value under exactly this name.
  func directProducer(of name: String) -> Node? { producers[name].map { nodes[$0] } }

  /// The nodes that read the elements of a value, in the order of the graph.
  func readers(of name: String) -> [Reader] { readers[root(name)] ?? [] }

  /// The nodes of one operator that read a value.
  func readers(of name: String, _ operation: String) -> [Reader] {
    readers(of: name).filter { $0.node.operation == operation }
  }

  /// The number of elements of a value.
  func count(_ name: String) -> Int { shapes[name]?.reduce(1, *) ?? 0 }

  /// Computes values, those in `given` taken as they are.
  func evaluate(
    _ targets: [String], given: [String: Value]
  ) throws(DeclipError) -> [String: Value] {
    try interpreter.run(given, known: known, targets: targets)
  }

  /// The floats of a constant.
  func constant(_ name: String) throws(DeclipError) -> [Float] {
    guard isConstant(name) else {
      throw DeclipError(
        .badData, "depends on the input", place: "value \(quoted(name))", expected: "a constant")
    }
    // The value, and at worst its integers as floats, beside what is made of them.
    guard count(name) <= model.budget.remaining / 16,
      let value = try evaluate([name], given: [:])[name]
    else {
      throw DeclipError(
        .badData, "has the extents \(shapes[name] ?? [])", place: "value \(quoted(name))",
        expected: "at most \(model.budget.remaining / 16) elements for a file of this size")
    }
    switch value.elements {
    case .floats(let values): return values
    case .integers(let values): return values.map { Float($0) }
    }
  }

  /// The only element of a constant; nil where it has several or is none.
  func scalar(_ name: String) -> Float? {
    guard isConstant(name), count(name) == 1 else { return nil }
    return try? constant(name).first
  }

  /// A constant as a tensor of `shape`, in the element type that the file stores it in wherever
  /// no arithmetic lies between.
  func tensor(_ name: String, shape: [Int]) throws(DeclipError) -> Tensor {
    if let stored = try storedTensor(name), let tensor = stored.reshaped(shape) { return tensor }
    return try makeTensor(try constant(name), shape: shape, name, budget: model.budget)
  }

  /// Follows copies and transposes of a stored matrix without widening it.
  private func storedTensor(_ name: String) throws(DeclipError) -> Tensor? {
    var (name, isTransposed) = (name, false)
    // No recursion: a chain may be as long as the file.
    while model.graph.initializers[name] == nil, let node = directProducer(of: name),
      node.operation != "Constant"
    {
      guard ["Identity", "Cast", "Transpose"].contains(node.operation),
        let input = node.inputs.first, shapes[input]?.count == 2 || node.operation != "Transpose"
      else { return nil }
      let keepsOrder =
        if case .integers(let order)? = node.attributes["perm"] { order == [0, 1] } else { false }
      if node.operation == "Transpose", !keepsOrder { isTransposed.toggle() }
      name = input
    }
    var stored = model.graph.initializers[name]
    if case .tensor(let tensor)? = directProducer(of: name)?.attributes["value"] { stored = tensor }
    guard let tensor = stored?.tensor, isTransposed else { return stored?.tensor }
    try model.budget.take(tensor.bytes.count, place: "value \(quoted(name))")
    defer { tensor.bytes.releasePages() }
    return tensor.transposed()
  }
}

/// A binary32 tensor of computed values, a copy that `budget` pays for.
func makeTensor(
  _ values: [Float], shape: [Int], _ place: String, budget: MemoryBudget
) throws(DeclipError) -> Tensor {
  try budget.take(values.count, bytes: 4, place: "value \(quoted(place))")
  let bytes = ByteView(count: values.count * 4) { target in
    values.withUnsafeBytes { target.copyMemory(from: $0) }
  }
  guard let tensor = Tensor(dataType: .float32, shape: shape, bytes: bytes) else {
    throw DeclipError(
      .badData, "has \(values.count) elements", place: "value '\(place)'",
      expected: "the extents \(shape)")
  }
  return tensor
}
