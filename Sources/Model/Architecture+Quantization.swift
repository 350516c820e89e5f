extension TensorRole {
  /// The scales of a weight that can be quantised: the patch embedding's or that of a block's linear
  /// layer; nil for other tensors.
  public var scales: TensorRole? {
    switch self {
    case .patchEmbedding(.weight): .patchEmbedding(.scales)
    case .block(let tower, let index, let layer, .weight) where layer.isLinear:
      .block(tower, index: index, layer, .scales)
    default: nil
    }
  }
}

extension TensorRole {
  /// Whether the weight's layer can read rows of 14 and 15 bits: sums of two products are what it gives,
  /// so that no nonlinearity may lie behind each.
  public var canReadWideRows: Bool {
    switch self {
    case .patchEmbedding(.weight): true
    case .block(_, _, let layer, .weight): layer.isLinear && layer != .gate && layer != .up
    default: false
    }
  }
}

extension BlockLayer {
  /// Whether the layer multiplies by a matrix.
  public var isLinear: Bool {
    switch self {
    case .query, .key, .value, .attentionOutput, .gate, .up, .down: true
    case .norm1, .norm2, .attentionNorm, .hiddenNorm: false
    }
  }

  /// The first of the layers that read the same rows.
  fileprivate var input: BlockLayer {
    switch self {
    case .query, .key, .value: .query
    case .gate, .up: .up
    default: self
    }
  }
}

extension Architecture {
  /// Every tensor of a model that is quantised as described: behind each weight listed its scales,
  /// `[outputs]`.
  public func tensors(quantizedAs quantization: Quantization?) -> [TensorSpecification] {
    guard let quantization else { return tensors }
    return tensors.flatMap { tensor -> [TensorSpecification] in
      guard quantization.layers[tensor.role] != nil, let scales = tensor.role.scales else {
        return [tensor]
      }
      return [tensor, TensorSpecification(role: scales, shape: [tensor.shape[0]])]
    }
  }

  /// Throws `badData` naming the layer where `quantization` does not describe this model: a layer
  /// that it does not have or that cannot be quantised, numbers out of range, layers that read the
  /// same rows and disagree; attention of other bits, or not of every block.
  public func validate(_ quantization: Quantization) throws(DeclipError) {
    try validate(quantization.attention)
    let known = Set(tensors.map(\.role))
    var inputs: [TensorRole: (role: TensorRole, input: Quantization.Input)] = [:]
    // In a fixed order, so that of several faults always the same is told.
    for (role, layer) in quantization.layers.sorted(by: { "\($0.key)" < "\($1.key)" }) {
      func refuse(_ problem: String, _ expected: String) -> DeclipError {
        DeclipError(
          .badData, problem, place: "quantization of '\(role)'", expected: expected)
      }
      guard known.contains(role), role.scales != nil else {
        throw refuse(
          "is no weight that can be quantised",
          "the patch embedding or a linear layer of a block of this model")
      }
      guard [7, 8].contains(layer.weightBits) else {
        throw refuse("has weights of \(layer.weightBits) bits", "7 or 8")
      }
      if let bits = layer.input.bits, ![7, 8].contains(bits) {
        guard role.canReadWideRows, [14, 15].contains(bits), layer.input == .perRow(bits: bits)
        else {
          throw refuse(
            "has inputs of \(bits) bits",
            role.canReadWideRows ? "7 or 8, or 14 or 15 with a scale for each row" : "7 or 8")
        }
      }
      if case .perTensor(let scale, let zeroPoint, let bits) = layer.input {
        guard scale.isNormal, scale > 0, (1 / scale).isNormal else {
          throw refuse("has inputs of scale \(scale)", "a number above 0 that has an inverse")
        }
        guard (0..<1 << bits).contains(zeroPoint) else {
          throw refuse("has inputs of zero point \(zeroPoint)", "0 to \((1 << bits) - 1)")
        }
      }
      guard case .block(let tower, let index, let block, _) = role else { continue }
      guard tower == .vision || layer.input == .float else {
        throw refuse("quantises what a text tower reads", "weights alone to be quantised")
      }
      guard layer.input != .float else { continue }
      let first = TensorRole.block(tower, index: index, block.input, .weight)
      if let other = inputs[first], other.input != layer.input {
        throw refuse(
          "quantises its input unlike '\(other.role)'", "the same, as both read the same")
      }
      inputs[first] = (role, layer.input)
    }
  }

  private func validate(_ attention: [Quantization.Attention]) throws(DeclipError) {
    let blocks = vision.transformer.layers
    guard attention.isEmpty || attention.count == blocks else {
      throw DeclipError(
        .badData, "describes the attention of \(attention.count) blocks", place: "quantization",
        expected: "\(blocks), as the vision tower has")
    }
    for (block, attention) in attention.enumerated() {
      guard [7, 8, 13].contains(attention.scoreBits), [7, 8, 12].contains(attention.valueBits)
      else {
        throw DeclipError(
          .badData,
          "has scores of \(attention.scoreBits) bits and values of \(attention.valueBits)",
          place: "quantization of the attention of block \(block)",
          expected: "scores of 7, 8 or 13, values of 7, 8 or 12")
      }
    }
  }
}
