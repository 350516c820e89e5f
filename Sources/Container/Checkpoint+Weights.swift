import Model

/// A checkpoint in memory can be computed with before it is written.
extension Checkpoint: WeightSource {
  /// Widens a tensor's elements. Throws `badData` where the tensor is absent or of another size.
  public func read(
    _ role: TensorRole, into destination: UnsafeMutableBufferPointer<Float>
  ) throws(DeclipError) {
    guard let tensor = tensors[role], tensor.elementCount == destination.count else {
      throw DeclipError(
        .badData, "is absent or of another size", place: "tensor '\(role)'",
        expected: "\(destination.count) elements")
    }
    try tensor.bytes.withUnsafeBytes { bytes throws(DeclipError) in
      try FloatConversion.widen(bytes, tensor.dataType, destination)
    }
  }
}
