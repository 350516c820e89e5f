import Model

/// A checkpoint in memory can be computed with before it is written.
extension Checkpoint: WeightSource {
  /// Widens a tensor's elements, those in int8 to their products with the scales.
  ///
  /// Throws `badData` where the tensor is absent or of another size.
  public func read(
    _ role: TensorRole, into destination: UnsafeMutableBufferPointer<Float>
  ) throws(DeclipError) {
    let tensor = try tensor(role, elements: destination.count)
    if quantization?.layers[role] != nil {
      return try quantizedMatrix(role).widen(into: destination)
    }
    try tensor.bytes.withUnsafeBytes { bytes throws(DeclipError) in
      try FloatConversion.widen(bytes, tensor.dataType, destination)
    }
  }

  /// The integers and scales of a weight in int8.
  ///
  /// Throws `badData` where the layer is not listed in `quantization`, or the tensors are absent, of
  /// other types or sizes, or hold what the layer's record rules out.
  public func quantizedMatrix(_ role: TensorRole) throws(DeclipError) -> QuantizedMatrix {
    let place = "tensor '\(role)'"
    guard let layer = quantization?.layers[role], let scales = role.scales,
      let tensor = tensors[role], tensor.dataType == .int8
    else { throw DeclipError(.badData, "is not stored in int8", place: place) }
    var factors = [Float](repeating: 0, count: tensor.shape.first ?? 0)
    let stored = try self.tensor(scales, elements: factors.count)
    try factors.withUnsafeMutableBufferPointer { factors throws(DeclipError) in
      try stored.bytes.withUnsafeBytes { bytes throws(DeclipError) in
        try FloatConversion.widen(bytes, stored.dataType, factors)
      }
    }
    let values = tensor.bytes.withUnsafeBytes { Array($0.bindMemory(to: Int8.self)) }
    guard let matrix = QuantizedMatrix(values: values, scales: factors) else {
      throw DeclipError(.badData, "has no whole rows", place: place)
    }
    try matrix.validate(weightBits: layer.weightBits, place: place)
    return matrix
  }

  private func tensor(_ role: TensorRole, elements: Int) throws(DeclipError) -> Tensor {
    guard let tensor = tensors[role], tensor.elementCount == elements else {
      throw DeclipError(
        .badData, "is absent or of another size", place: "tensor '\(role)'",
        expected: "\(elements) elements")
    }
    return tensor
  }
}
