import Container
import Model

/// A quantised vision tower and the rest of the file that it was made from, ready to be written.
public struct QuantizedModel: Sendable {
  /// How the text tower is stored.
  public enum TextWeights: String, Sendable, CaseIterable {
    /// In the source's types.
    case source
    /// In binary16: half of float32, and far more precise than texts need.
    case f16
    /// Linear layers of blocks in int8, everything else in binary16.
    case int8
  }

  /// The model, which can be computed with as it is.
  public let checkpoint: Checkpoint
  private let textWeights: TextWeights

  /// Puts a model together.
  ///
  /// Tensors of the vision tower are those of `tower`, quantised or not; one that equals the
  /// source's keeps the source's type. The text tower, the tokenizer and the provenance come from
  /// `source`, which `change`d its provenance by the entries given. Without `textWeights` the text
  /// tower and the tokenizer are left out. Throws `badData` where a tensor is absent, damaged or not
  /// finite.
  public init(
    _ tower: some WeightSource, of source: ContainerFile, textWeights: TextWeights?,
    calibration: CalibrationRecord? = nil, provenance: [String: String] = [:]
  ) throws(DeclipError) {
    var architecture = tower.architecture
    if textWeights == nil { architecture.text = nil }
    var quantization = tower.quantization ?? Quantization()
    quantization.layers = quantization.layers.filter { $0.key.tower == .vision }
    self.textWeights = textWeights ?? .source

    var tensors: [TensorRole: Tensor] = [:]
    for specification in architecture.tensors {
      let role = specification.role
      if quantization.layers[role] != nil {
        try tensors.store(tower.quantizedMatrix(role), specification)
      } else if role.tower == .vision {
        tensors[role] = try Self.tensor(specification, of: tower, source)
      } else if textWeights == .int8, role.scales != nil {
        try tensors.store(
          QuantizedMatrix(rounding: role, of: source, weightBits: 8), specification)
        quantization.layers[role] = .init(weightBits: 8, input: .float)
      } else {
        tensors[role] = try source.tensor(role)
      }
    }
    checkpoint = Checkpoint(
      architecture: architecture, tensors: tensors,
      tokenizer: architecture.text == nil ? nil : try source.tokenizer(),
      provenance: source.provenance.merging(provenance) { $1 }, quantization: quantization,
      calibration: try calibration?.json())
  }

  /// Writes the model; throws what `ContainerWriter.write` throws.
  public func write(
    to path: String, threads: Int, toolVersion: String
  ) throws(DeclipError) -> ContainerSummary {
    try ContainerWriter.write(
      checkpoint, to: path,
      options: ContainerOptions(
        textPrecision: textWeights == .source ? nil : .float16, threads: threads,
        toolVersion: toolVersion))
  }

  /// A float tensor of the tower: the source's own where nothing changed.
  private static func tensor(
    _ specification: TensorSpecification, of tower: some WeightSource, _ source: ContainerFile
  ) throws(DeclipError) -> Tensor {
    let count = specification.shape.reduce(1, *)
    let values = try values(specification.role, count, of: tower)
    if source.entry(specification.role)?.shape == specification.shape,
      try self.values(specification.role, count, of: source) == values
    {
      return try source.tensor(specification.role)
    }
    guard
      let tensor = Tensor(
        dataType: .float32, shape: specification.shape,
        bytes: ByteView(values.withUnsafeBytes { Array($0) }))
    else { throw DeclipError(.internal, "has another size", place: "\(specification.role)") }
    return tensor
  }

  private static func values(
    _ role: TensorRole, _ count: Int, of source: some WeightSource
  ) throws(DeclipError) -> [Float] {
    var values = [Float](repeating: 0, count: count)
    try values.withUnsafeMutableBufferPointer { buffer throws(DeclipError) in
      try source.read(role, into: buffer)
    }
    return values
  }
}

extension [TensorRole: Tensor] {
  /// Keeps a quantised weight and its scales.
  fileprivate mutating func store(
    _ matrix: QuantizedMatrix, _ specification: TensorSpecification
  ) throws(DeclipError) {
    let values = matrix.values.withUnsafeBytes { ByteView(Array($0)) }
    let scales = matrix.scales.withUnsafeBytes { ByteView(Array($0)) }
    guard let role = specification.role.scales,
      let weight = Tensor(dataType: .int8, shape: specification.shape, bytes: values)
    else {
      throw DeclipError(.internal, "has another size", place: "tensor '\(specification.role)'")
    }
    self[specification.role] = weight
    self[role] = Tensor(dataType: .float32, shape: [matrix.scales.count], bytes: scales)
  }
}

extension QuantizedMatrix {
  /// Rounds a weight of a model to the nearest integers; throws `badData` where it is absent, damaged
  /// or not finite.
  fileprivate init(rounding role: TensorRole, of source: any WeightSource, weightBits: Int)
    throws(DeclipError)
  {
    let shape = source.architecture.tensors.first { $0.role == role }?.shape ?? []
    var weights = [Float](repeating: 0, count: shape.reduce(1, *))
    try weights.withUnsafeMutableBufferPointer { buffer throws(DeclipError) in
      try source.read(role, into: buffer)
    }
    try self.init(
      rounding: weights, outputs: shape.first ?? 0, weightBits: weightBits,
      place: "tensor '\(role)'")
  }
}
