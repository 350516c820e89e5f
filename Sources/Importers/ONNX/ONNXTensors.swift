import CKernels
import Model
import ONNX

/// Collects the tensors of recognised towers under their roles.
struct ONNXTensors {
  let graph: TracedGraph
  private(set) var tensors: [TensorRole: Tensor] = [:]

  init(_ graph: TracedGraph) { self.graph = graph }

  /// A LayerNorm's gain and bias, zeros where it has none.
  mutating func add(_ norm: NormLayer, _ role: (Parameter) -> TensorRole) throws(DeclipError) {
    let size = graph.count(norm.gain)
    tensors[role(.weight)] = try graph.tensor(norm.gain, shape: [size])
    tensors[role(.bias)] = try bias(norm.bias, 0..<size, of: size)
  }

  /// The rows `columns` of a linear layer's result, multiplied by `factor`.
  mutating func add(
    _ layer: LinearLayer, columns: Range<Int>? = nil, factor: Float = 1, needsBias: Bool = true,
    _ role: (Parameter) -> TensorRole
  ) throws(DeclipError) {
    let columns = columns ?? 0..<layer.outputs
    let stored =
      layer.isTransposed ? [layer.inputs, layer.total] : [layer.total, layer.inputs]
    let matrix = try graph.tensor(layer.weight, shape: stored)
    let rows =
      columns.lowerBound + layer.range.lowerBound..<columns.upperBound + layer.range.lowerBound
    if layer.isTransposed {
      try graph.model.budget.take(
        rows.count, bytes: layer.inputs * matrix.dataType.byteWidth, place: layer.node.place)
    }
    // Copied, the file's pages are not needed again.
    defer { if layer.isTransposed { matrix.bytes.releasePages() } }
    guard let weight = layer.isTransposed ? matrix.transposed(columns: rows) : matrix.rows(rows)
    else {
      throw DeclipError(.internal, "its rows \(rows) cannot be taken", place: layer.node.place)
    }
    tensors[role(.weight)] = try scaled(weight, by: factor * layer.factor)
    guard needsBias || layer.bias != nil else { return }
    let places =
      columns.lowerBound + layer.biasRange.lowerBound..<columns.upperBound
      + layer.biasRange.lowerBound
    let bias = try bias(layer.bias, places, of: columns.count)
    tensors[role(.bias)] = try scaled(bias, by: factor)
  }

  /// A constant under a role of its own.
  mutating func add(_ name: String, shape: [Int], as role: TensorRole) throws(DeclipError) {
    let count = shape.reduce(1, *)
    if graph.count(name) == count {
      tensors[role] = try graph.tensor(name, shape: shape)
    } else {
      // Repeated for every sequence of the batch.
      tensors[role] = try makeTensor(
        Array(try graph.constant(name).prefix(count)), shape: shape, name,
        budget: graph.model.budget)
    }
  }

  private func bias(
    _ name: String?, _ places: Range<Int>, of size: Int
  ) throws(DeclipError) -> Tensor {
    guard let name else {
      return try makeTensor(
        [Float](repeating: 0, count: size), shape: [size], "bias", budget: graph.model.budget)
    }
    let count = graph.count(name)
    guard places.upperBound <= count,
      let rows = try graph.tensor(name, shape: [count]).rows(places)
    else { throw DeclipError(.internal, "has \(count) elements", place: "value '\(name)'") }
    return rows
  }

  private func scaled(_ tensor: Tensor, by factor: Float) throws(DeclipError) -> Tensor {
    guard abs(factor - 1) > 1e-6 else { return tensor }
    var values = try floats(tensor)
    for place in values.indices { values[place] *= factor }
    return try makeTensor(values, shape: tensor.shape, "weight", budget: graph.model.budget)
  }

  private func floats(_ tensor: Tensor) throws(DeclipError) -> [Float] {
    let types: [DataType: ElementType] = [
      .float32: .float32, .float64: .float64, .float16: .float16, .bfloat16: .bfloat16,
    ]
    guard let type = types[tensor.dataType] else {
      throw DeclipError(.badData, "holds \(tensor.dataType.rawValue)", expected: "floating point")
    }
    // Widened once here and copied once into the result.
    guard tensor.elementCount <= graph.model.budget.remaining / 8 else {
      throw DeclipError(
        .badData, "has the extents \(tensor.shape)",
        expected: "at most \(graph.model.budget.remaining / 8) elements for a file of this size")
    }
    let stored = StoredTensor(
      name: "", elementType: type, shape: tensor.shape, bytes: tensor.bytes)
    return Value(stored).floats ?? []
  }
}
