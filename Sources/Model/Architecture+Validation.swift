extension Architecture {
  /// The largest extent that any dimension of a model may have; far above every published model,
  /// and low enough that products of four of them cannot overflow 64 bits.
  public static let largestExtent = 1 << 18

  /// Throws `badData` naming the first value that no model can have.
  ///
  /// Everything that computes with an architecture read from a file relies on this check: all
  /// extents lie in `1...largestExtent`, heads divide widths, constants are finite.
  public func validate() throws(DeclipError) {
    try check(embeddingSize, "embedding size")
    try check(vision.transformer, "vision")
    try check(vision.patchSize, "patch size", upTo: 256)
    try check(vision.nativeGrid.rows, "rows of the native grid", upTo: 4096)
    try check(vision.nativeGrid.columns, "columns of the native grid", upTo: 4096)
    try require(
      logitScale.isFinite && logitScale > 0, "logit scale \(logitScale)",
      expected: "a positive number")
    if let rotary = vision.rotary {
      try require(
        rotary.theta.isFinite && rotary.theta > 1 && rotary.extent.isFinite && rotary.extent > 0,
        "rotary positions of base \(rotary.theta) and extent \(rotary.extent)",
        expected: "a base above 1 and a positive extent")
      try require(
        vision.transformer.headSize % 4 == 0, "head size \(vision.transformer.headSize)",
        expected: "a multiple of 4 for rotary positions")
    }
    if let text {
      try check(text.transformer, "text")
      try check(text.contextLength, "context length", upTo: 65536)
      try check(text.vocabularySize, "vocabulary size", upTo: 1 << 22)
      try require(text.contextLength >= 2, "context length 1", expected: "2 or more")
      if let token = text.pooledToken {
        try require(
          (0..<text.vocabularySize).contains(token), "pooled token \(token)",
          expected: "0 to \(text.vocabularySize - 1)")
      }
    }
    let constants = preprocessing.mean + preprocessing.deviation
    try require(
      preprocessing.mean.count == 3 && preprocessing.deviation.count == 3
        && constants.allSatisfy(\.isFinite) && preprocessing.deviation.allSatisfy { $0 > 0 },
      "preprocessing constants \(constants)",
      expected: "three finite means and three positive deviations")
  }

  private func check(_ transformer: Transformer, _ tower: String) throws(DeclipError) {
    try check(transformer.width, "\(tower) width")
    try check(transformer.layers, "\(tower) layers", upTo: 1024)
    try check(transformer.heads, "\(tower) heads", upTo: 4096)
    try check(transformer.hiddenSize, "\(tower) hidden size")
    try require(
      transformer.width % transformer.heads == 0,
      "\(tower) width \(transformer.width) with \(transformer.heads) heads",
      expected: "a width that the heads divide")
    try require(
      transformer.isGated == (transformer.activation == .silu),
      "\(tower) feed-forward \(transformer.isGated ? "with" : "without") a gate and with "
        + "activation \(transformer.activation.rawValue)",
      expected: "a gate with silu, and silu with a gate only")
    let epsilon = transformer.layerNormEpsilon
    try require(
      epsilon.isFinite && epsilon > 0 && epsilon < 1, "\(tower) LayerNorm epsilon \(epsilon)",
      expected: "a small positive number")
  }

  private func check(
    _ value: Int, _ what: String, upTo limit: Int = largestExtent
  ) throws(DeclipError) {
    try require((1...limit).contains(value), "\(what) \(value)", expected: "1 to \(limit)")
  }

  private func require(
    _ condition: Bool, _ problem: String, expected: String
  ) throws(DeclipError) {
    guard condition else {
      throw DeclipError(.badData, problem, place: "architecture", expected: expected)
    }
  }
}
