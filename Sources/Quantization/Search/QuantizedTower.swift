import Model

/// A model whose linear layers are quantised: what a quantised file is written from and engines
/// compute with.
public struct QuantizedTower: WeightSource {
  /// The float tensors: the model with its migrations and corrected biases.
  public var floats: MigratedWeights
  /// The quantised layers.
  public internal(set) var layers: Quantization
  /// The integers of every quantised layer.
  public internal(set) var matrices: [TensorRole: QuantizedMatrix]

  /// The architecture; keys have a bias where an offset was moved past them.
  public var architecture: Architecture { floats.architecture }
  /// How the layers are quantised.
  public var quantization: Quantization? { layers }

  /// Writes a tensor's elements; of a quantised layer what its integers stand for.
  public func read(
    _ role: TensorRole, into destination: UnsafeMutableBufferPointer<Float>
  ) throws(DeclipError) {
    guard let matrix = matrices[role] else { return try floats.read(role, into: destination) }
    guard destination.count == matrix.values.count else {
      throw DeclipError(
        .internal, "the destination holds \(destination.count) elements",
        place: "tensor '\(role)'", expected: "\(matrix.values.count)")
    }
    for (row, scale) in matrix.scales.enumerated() {
      for index in row * matrix.inputs..<(row + 1) * matrix.inputs {
        destination[index] = Float(matrix.values[index]) * scale
      }
    }
  }

  /// The integers of a quantised layer. Throws `badData` for any other tensor.
  public func quantizedMatrix(_ role: TensorRole) throws(DeclipError) -> QuantizedMatrix {
    guard let matrix = matrices[role] else {
      throw DeclipError(.badData, "is not stored in int8", place: "tensor '\(role)'")
    }
    return matrix
  }
}
