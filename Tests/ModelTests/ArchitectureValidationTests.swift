import Model
import Testing

@Suite struct ArchitectureValidationTests {
  private func architecture(
    vision: (Activation, isGated: Bool), text: (Activation, isGated: Bool)
  ) -> Architecture {
    func transformer(_ activation: Activation, _ isGated: Bool) -> Transformer {
      Transformer(
        width: 32, layers: 2, heads: 2, hiddenSize: 48, activation: activation,
        layerNormEpsilon: 1e-5, isGated: isGated)
    }
    return Architecture(
      family: .clip, embeddingSize: 16, logitScale: 100,
      vision: VisionTower(
        transformer: transformer(vision.0, vision.isGated), patchSize: 8,
        nativeGrid: Grid(rows: 4, columns: 4), hasPatchBias: false, hasPreNorm: true,
        hasProjectionBias: false, rotary: nil),
      text: TextTower(
        transformer: transformer(text.0, text.isGated), contextLength: 16, vocabularySize: 50,
        hasProjectionBias: false),
      preprocessing: .clip)
  }

  /// Engines know silu as a gate, and gates with silu; anything else they would compute wrongly.
  @Test(arguments: Activation.allCases, [false, true])
  func siluAndGatesBelongTogether(activation: Activation, isGated: Bool) throws {
    let usual = (Activation.gelu, isGated: false)
    let vision = architecture(vision: (activation, isGated), text: usual)
    let text = architecture(vision: usual, text: (activation, isGated))
    guard isGated != (activation == .silu) else {
      try vision.validate()
      try text.validate()
      return
    }
    for (tower, architecture) in [("vision", vision), ("text", text)] {
      #expect {
        try architecture.validate()
      } throws: {
        "\($0)"
          == "architecture: \(tower) feed-forward \(isGated ? "with" : "without") a gate and with "
          + "activation \(activation.rawValue), expected a gate with silu, and silu with a gate only"
      }
    }
  }
}
