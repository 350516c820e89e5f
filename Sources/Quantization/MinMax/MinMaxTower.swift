import Model

/// A model whose vision tower is quantised in the simplest way: weights by the largest magnitude of
/// each output channel, inputs row by row or by the extremes that were observed.
public struct MinMaxTower: WeightSource {
  /// How inputs are quantised.
  public enum Inputs: String, Sendable, CaseIterable {
    /// Each row with a scale of its own, chosen at run time.
    case perRow = "per-row"
    /// All rows with one scale and zero point, chosen from what was observed.
    case perTensor = "per-tensor"
  }

  private let base: any WeightSource
  private let layers: Quantization

  /// Describes the quantised layers of `base`: those whose inputs were observed.
  ///
  /// Throws `usage` for bits other than 7 and 8.
  public init(
    _ base: some WeightSource, ranges: [TensorRole: ClosedRange<Float>], inputs: Inputs,
    weightBits: Int, inputBits: Int
  ) throws(DeclipError) {
    for bits in [weightBits, inputBits] where bits != 7 && bits != 8 {
      throw DeclipError(.usage, "\(bits) bits", expected: "7 or 8")
    }
    self.base = base
    var layers = Quantization()
    for (role, range) in ranges where role.scales != nil {
      layers.layers[role] = .init(
        weightBits: weightBits,
        input: inputs == .perRow ? .perRow(bits: inputBits) : .covering(range, bits: inputBits))
    }
    self.layers = layers
  }

  /// The model's architecture.
  public var architecture: Architecture { base.architecture }
  /// How its layers are quantised.
  public var quantization: Quantization? { layers }

  /// Writes a tensor's elements; of a quantised layer what its integers stand for.
  public func read(
    _ role: TensorRole, into destination: UnsafeMutableBufferPointer<Float>
  ) throws(DeclipError) {
    guard layers.layers[role] != nil else { return try base.read(role, into: destination) }
    try quantizedMatrix(role).widen(into: destination)
  }

  /// The integers of a quantised layer, rounded anew each time.
  ///
  /// Throws `badData` where the weights are absent, damaged or not finite, and for other tensors.
  public func quantizedMatrix(_ role: TensorRole) throws(DeclipError) -> QuantizedMatrix {
    guard let layer = layers.layers[role] else {
      throw DeclipError(.badData, "is not stored in int8", place: "tensor '\(role)'")
    }
    return try QuantizedMatrix(rounding: role, of: base, weightBits: layer.weightBits)
  }
}

extension QuantizedMatrix {
  /// Rounds a weight of a model to the nearest integers; throws `badData` where it is absent, damaged
  /// or not finite.
  init(rounding role: TensorRole, of source: any WeightSource, weightBits: Int) throws(DeclipError)
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

extension Quantization.Input {
  /// One scale and zero point for values of a range, which is widened to hold zero so that zero
  /// stays exact.
  static func covering(_ range: ClosedRange<Float>, bits: Int) -> Quantization.Input {
    let largest = Float((1 << bits) - 1)
    let (low, high) = (min(range.lowerBound, 0), max(range.upperBound, 0))
    // Divided first: the difference of two finite values need not be finite.
    let scale = high / largest - low / largest
    guard scale.isNormal, (1 / scale).isNormal else {
      return .perTensor(scale: 1, zeroPoint: 0, bits: bits)
    }
    let zeroPoint = (-low / scale).rounded()
    return .perTensor(scale: scale, zeroPoint: Int(min(max(zeroPoint, 0), largest)), bits: bits)
  }
}
