import Model

/// How a model of floats is computed in int8, chosen for fidelity and the same on every processor:
/// weights of 8 bits, rows of 8 with a scale each, and of 15 where a little time buys much.
struct Uncalibrated {
  /// Blocks of the vision tower.
  let layers: Int

  /// Values in words: bytes cost most of what attention loses.
  static let attention = Quantization.Attention(scoreBits: 8, valueBits: 12)

  /// How a layer's rows are quantised.
  ///
  /// Products of a gate have outliers, and the decoupled attention makes tokens of a flat picture so
  /// much alike that what tells them apart is less than a step of a row of bytes: what reads these
  /// reads 15 bits, one product more.
  func input(of role: TensorRole) -> RowQuantization {
    switch role {
    case .block(.vision, _, .down, .weight),
      .block(.vision, layers - 1, .attentionOutput, .weight):
      RowQuantization(bits: 15)
    default: RowQuantization(bits: 8)
    }
  }
}
