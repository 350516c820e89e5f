import Model

/// What is wrong with a set of tensors as the tensors of an architecture.
struct TensorFaults {
  var missing: [String] = []
  var surplus: [String] = []
  var misshaped: [String] = []
  var mistyped: [String] = []
  let quantization: Quantization?

  init(_ quantization: Quantization?) {
    self.quantization = quantization
  }

  /// Notes a wrong shape or type: a weight that is quantised is int8, its scales are float32,
  /// everything else is any float.
  mutating func check(_ dataType: DataType, _ shape: [Int], _ expected: TensorSpecification) {
    let name = expected.role.description
    if shape != expected.shape { misshaped.append("\(name) \(shape) not \(expected.shape)") }
    if quantization?.layers[expected.role] != nil {
      if dataType != .int8 { mistyped.append("\(name) \(dataType.rawValue) not i8") }
    } else if expected.role.isScales {
      if dataType != .float32 { mistyped.append("\(name) \(dataType.rawValue) not f32") }
    } else if !dataType.isFloat {
      mistyped.append("\(name) \(dataType.rawValue) not a float")
    }
  }

  /// Throws `badData` naming every fault.
  func throwIfAny() throws(DeclipError) {
    let groups = [
      ("missing", missing), ("surplus", surplus), ("of a wrong shape", misshaped),
      ("of a wrong type", mistyped),
    ].filter { !$0.1.isEmpty }
    guard !groups.isEmpty else { return }
    throw DeclipError(
      .badData,
      groups.map { "\($0.1.count) \($0.0): \($0.1.joined(separator: ", "))" }
        .joined(separator: "; "),
      place: "tensors", expected: "those of the architecture")
  }
}

extension TensorRole {
  /// Whether the tensor holds the scales of a weight.
  var isScales: Bool {
    switch self {
    case .patchEmbedding(.scales), .block(_, _, _, .scales): true
    default: false
    }
  }
}
