import Model

/// What a vision plan can compute.
public enum VisionOutput: String, Hashable, Sendable, CaseIterable {
  /// Dense features in the shared space, `[patches, embedding]`, not normalised.
  case dense
  /// The last block's values, `[patches, width]`: what is aggregated.
  case content
  /// The last block's queries before rotation, `[patches, width]`: who aggregates from whom.
  case context
  /// The embedding of the whole picture, `[1, embedding]`, not normalised.
  case image

  /// The slot of the plan that holds the output.
  public var slot: Slot {
    switch self {
    case .dense: .dense
    case .content: .content
    case .context: .context
    case .image: .embedding
    }
  }
}

/// The size of a network's input in pixels.
public struct InputSize: Hashable, Sendable, CustomStringConvertible {
  /// Pixels from top to bottom.
  public var height: Int
  /// Pixels from left to right.
  public var width: Int

  /// Makes a size.
  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }

  /// `HEIGHTxWIDTH`.
  public var description: String { "\(height)x\(width)" }
}

extension Plan {
  /// The largest side of an input in pixels.
  public static let largestInput = 1 << 15

  /// Plans a vision tower for one input size, computing only what `outputs` need.
  ///
  /// In the decoupled block nothing unused is computed: `qq` needs no key projection, no residual
  /// and no feed-forward network. Throws `usage` where the size is no multiple of the patch or
  /// the family does not define the mode.
  public static func vision(
    _ architecture: Architecture, input: InputSize, mode: DenseMode, outputs: Set<VisionOutput>
  ) throws(DeclipError) -> Plan {
    try vision(architecture, input: input, modes: [mode], outputs: outputs)
  }

  /// Plans a walk through every layer of a vision tower on all rows, for those who observe what
  /// layers read: the last block is computed in the ordinary way and in each of `modes`.
  ///
  /// A model exported for one mode has and computes only that mode's layers. The dense features
  /// are those of the way computed last. Throws as `vision(_:input:mode:outputs:)`.
  public static func observation(
    _ architecture: Architecture, input: InputSize, modes: [DenseMode]
  ) throws(DeclipError) -> Plan {
    let isWhole = architecture.vision.exportedMode?.covers(.vanilla) ?? true
    return try vision(
      architecture, input: input, modes: modes + (isWhole ? [.vanilla] : []), outputs: [.dense])
  }

  /// Plans a tower whose last block is computed in every one of `modes`, the ordinary one last.
  private static func vision(
    _ architecture: Architecture, input: InputSize, modes: [DenseMode], outputs: Set<VisionOutput>
  ) throws(DeclipError) -> Plan {
    let tower = architecture.vision
    let patch = tower.patchSize
    for side in [input.height, input.width]
    where side < patch || side % patch != 0 || side > largestInput {
      throw DeclipError(
        .usage, "an input of \(input) pixels cannot be cut into patches of \(patch)",
        expected: "multiples of \(patch) up to \(largestInput)")
    }
    for mode in modes {
      guard DenseMode.modes(of: architecture.family).contains(mode) else {
        let modes = DenseMode.modes(of: architecture.family).map(\.rawValue)
        throw DeclipError(
          .usage,
          "mode \(mode.rawValue) is not defined for \(architecture.family.rawValue) towers",
          expected: "one of " + modes.joined(separator: ", "))
      }
      try tower.requireLayers(of: mode, for: outputs)
    }
    let grid = Grid(rows: input.height / patch, columns: input.width / patch)

    var builder = PlanBuilder(tower.transformer)
    builder.add(.embedPatches)
    if tower.hasPreNorm { builder.layerNorm(.preNorm, from: .tokens, to: .tokens) }
    let last = tower.transformer.layers - 1
    for index in 0..<last { builder.block(index, rotates: tower.rotary != nil) }
    builder.lastBlock(last, architecture, modes: modes, outputs: outputs)
    return Plan(
      tower: .vision, transformer: tower.transformer, grid: grid, rows: 1 + grid.count,
      patchSize: patch, embeddingSize: architecture.embeddingSize, steps: builder.steps)
  }
}

extension VisionTower {
  /// Throws `usage` where the last block was exported without layers that are needed.
  fileprivate func requireLayers(
    of mode: DenseMode, for outputs: Set<VisionOutput>
  ) throws(DeclipError) {
    guard let exportedMode else { return }
    func refuse(_ what: String) -> DeclipError {
      let modes = DenseMode.allCases.filter(exportedMode.covers).map(\.rawValue)
      return DeclipError(
        .usage,
        "the model was exported for dense mode \(exportedMode.rawValue), and its last block lacks "
          + "what \(what) needs",
        expected: "dense features in one of " + modes.joined(separator: ", "),
        remedy: "convert the whole checkpoint instead")
    }
    if outputs.contains(.dense), !exportedMode.covers(mode) {
      throw refuse("mode \(mode.rawValue)")
    }
    if outputs.contains(.image), !exportedMode.covers(.vanilla) {
      throw refuse("the embedding of a whole picture")
    }
    if outputs.contains(.context), !exportedMode.projections.contains(.query) {
      throw refuse("the context")
    }
  }
}

extension PlanBuilder {
  fileprivate mutating func lastBlock(
    _ block: Int, _ architecture: Architecture, modes: [DenseMode], outputs: Set<VisionOutput>
  ) {
    let wantsDense = outputs.contains(.dense)
    let decoupledModes = wantsDense ? modes.filter { $0 != .vanilla } : []
    let isOrdinaryDense = wantsDense && modes.contains(.vanilla)
    let isOrdinary = outputs.contains(.image) || isOrdinaryDense

    var needed: Set<Slot> = isOrdinary ? [.query, .key, .value] : []
    for mode in decoupledModes { needed.formUnion(mode.sources + [.value]) }
    if outputs.contains(.content) { needed.insert(.value) }
    if outputs.contains(.context) { needed.insert(.query) }
    project([.query, .key, .value].filter(needed.contains), block: block)
    if outputs.contains(.content) {
      add(.copy(from: .value, to: .content), rows: .patches, block: block)
    }
    if outputs.contains(.context) {
      add(.copy(from: .query, to: .context), rows: .patches, block: block)
    }

    for mode in decoupledModes {
      decoupled(
        block, architecture, mode: mode, keepsTokens: isOrdinary || decoupledModes.count > 1)
    }
    if isOrdinary {
      let rows: RowSet = isOrdinaryDense ? .all : .classToken
      ordinaryAttention(block: block, rows: rows, rotates: architecture.vision.rotary != nil)
      feedForward(block: block, stream: .tokens, rows: rows)
      if rows == .all { head(from: .tokens, to: .dense, rows: .patches) }
      if outputs.contains(.image) { head(from: .tokens, to: .embedding, rows: .classToken) }
    }
  }

  private mutating func decoupled(
    _ block: Int, _ architecture: Architecture, mode: DenseMode, keepsTokens: Bool
  ) {
    guard let weights = mode.weights(of: architecture) else {
      // Content only: residual and feed-forward are kept.
      let stream: Slot = keepsTokens ? .branch : .tokens
      if keepsTokens {
        add(.copy(from: .tokens, to: .branch), rows: .patches, block: block)
      }
      attentionOutput(
        from: .value, to: stream, block: block, rows: .patches, accumulates: true)
      feedForward(block: block, stream: stream, rows: .patches)
      head(from: stream, to: .dense, rows: .patches)
      return
    }
    add(.attend(weights, to: .aggregated), rows: .patches, block: block)
    attentionOutput(
      from: .aggregated, to: .branch, block: block, rows: .patches, accumulates: false)
    head(from: .branch, to: .dense, rows: .patches)
  }
}

extension DenseMode {
  /// The projections whose products decide the weights; the values are needed in any case.
  fileprivate var sources: [Slot] {
    switch self {
    case .qq: [.query]
    case .kk: [.key]
    case .vv: [.value]
    case .csa: [.query, .key]
    case .all: [.query, .key, .value]
    case .maskclip, .vanilla: []
    }
  }

  /// The weights of the decoupled block; nil where there is no attention.
  ///
  /// EVA02 towers leave out the division by the root of the head size (released implementation).
  fileprivate func weights(of architecture: Architecture) -> AttentionWeights? {
    let size = Float(architecture.vision.transformer.headSize)
    let scale = architecture.family == .eva02 ? 1 : 1 / size.squareRoot()
    return switch self {
    case .qq, .kk, .vv, .csa: .sumOfSoftmax(sources, scale: scale)
    case .all: .softmaxOfSum(sources, scale: scale / 3)
    case .maskclip, .vanilla: nil
    }
  }
}
