import Container
import Model

extension Checkpoint {
  /// This model with the layers that `record` describes rounded to integers.
  func quantized(
    _ record: (TensorRole) -> Quantization.Layer?
  ) throws -> Checkpoint {
    var (result, quantization) = (self, Quantization())
    for tensor in architecture.tensors {
      guard let scales = tensor.role.scales, let layer = record(tensor.role) else { continue }
      let matrix = try QuantizedMatrix(
        rounding: try floats(tensor.role), outputs: tensor.shape[0],
        weightBits: layer.weightBits, place: "\(tensor.role)")
      quantization.layers[tensor.role] = layer
      result.tensors[tensor.role] = Tensor(
        dataType: .int8, shape: tensor.shape,
        bytes: ByteView(matrix.values.map { UInt8(bitPattern: $0) }))
      result.tensors[scales] = Tensor(
        dataType: .float32, shape: [tensor.shape[0]],
        bytes: ByteView(matrix.scales.withUnsafeBytes { Array($0) }))
    }
    result.quantization = quantization
    return result
  }

  /// A tensor as it is computed with.
  func floats(_ role: TensorRole) throws -> [Float] {
    var values = [Float](repeating: 0, count: tensors[role]?.elementCount ?? 0)
    try values.withUnsafeMutableBufferPointer { try read(role, into: $0) }
    return values
  }
}
