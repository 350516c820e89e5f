import Model

/// The content of section `quantization`: `Quantization` with layers by their names.
struct QuantizationRecord: Codable {
  var layers: [String: Layer]
  var attention: [Attention]?

  struct Layer: Codable {
    var weightBits: Int
    var input: Input
  }

  struct Input: Codable {
    var kind: Kind
    var bits: Int?
    var scale: Float?
    var zeroPoint: Int?
  }

  struct Attention: Codable {
    var scoreBits: Int
    var valueBits: Int
  }

  enum Kind: String, Codable {
    case row, tensor, float
  }

  init(_ quantization: Quantization) {
    layers = [:]
    for (role, layer) in quantization.layers {
      layers[role.description] = Layer(
        weightBits: layer.weightBits, input: Input(layer.input))
    }
    guard !quantization.attention.isEmpty else { return }
    attention = quantization.attention.map {
      Attention(scoreBits: $0.scoreBits, valueBits: $0.valueBits)
    }
  }

  /// The layers by role and the attention, checked against the architecture.
  ///
  /// Throws `badData` naming what is not part of the model or not sensibly described.
  func quantization(of architecture: Architecture) throws(DeclipError) -> Quantization {
    var roles: [String: TensorRole] = [:]
    for tensor in architecture.tensors { roles[tensor.role.description] = tensor.role }
    var result = Quantization()
    for (name, layer) in layers.sorted(by: { $0.key < $1.key }) {
      let place = "quantization of '\(name)'"
      guard let role = roles[name] else {
        throw DeclipError(.badData, "is not part of the model", place: place)
      }
      guard let input = layer.input.value else {
        throw DeclipError(
          .badData, "lacks what inputs of kind '\(layer.input.kind.rawValue)' need", place: place,
          expected: layer.input.kind == .row ? "bits" : "bits, scale and zeroPoint")
      }
      result.layers[role] = Quantization.Layer(weightBits: layer.weightBits, input: input)
    }
    result.attention = (attention ?? []).map {
      Quantization.Attention(scoreBits: $0.scoreBits, valueBits: $0.valueBits)
    }
    try architecture.validate(result)
    return result
  }
}

extension QuantizationRecord.Input {
  init(_ input: Quantization.Input) {
    switch input {
    case .perRow(let bits): self.init(kind: .row, bits: bits)
    case .perTensor(let scale, let zeroPoint, let bits):
      self.init(kind: .tensor, bits: bits, scale: scale, zeroPoint: zeroPoint)
    case .float: self.init(kind: .float)
    }
  }

  /// The input; nil where keys that its kind needs are missing.
  var value: Quantization.Input? {
    switch (kind, bits, scale, zeroPoint) {
    case (.float, _, _, _): .float
    case (.row, let bits?, _, _): .perRow(bits: bits)
    case (.tensor, let bits?, let scale?, let zeroPoint?):
      .perTensor(scale: scale, zeroPoint: zeroPoint, bits: bits)
    default: nil
    }
  }
}
