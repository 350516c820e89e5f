import Model

/// What single layers and blocks get beyond or below the 8 bits of all others.
extension Calibrator {
  /// Gives 15 bits to what the last block's attention leaves, if that loses less; then more bits to
  /// other products, where that gains most for its time, until the features are within the bars;
  /// where that cannot bring them there, to as many as `mostWidening` allows, if it is worth that.
  ///
  /// The decoupled attention makes tokens of a flat picture so much alike that what tells them
  /// apart, all that is left when their mean is taken away, is less than a step of a row of bytes.
  func widen(
    _ ladder: inout Ladder, _ quantizer: TowerQuantizer, _ objective: TowerObjective
  ) throws(DeclipError) {
    func isEnough(_ damage: [DenseMode: Damage], _ bars: QualityBars) -> Bool {
      bars.hold(for: damage)
        && damage.values.allSatisfy { $0.content.cosine >= options.target ?? 0 }
    }
    // One product more is worth its time even for speed.
    let (bars, first): (QualityBars, QualityBars) =
      options.prefer == .speed ? (.fast, .standard) : (.strict, .strict)
    guard let narrow = ladder.chosen, !isEnough(narrow.damage, first) else { return }
    if let last = quantizer.groups.last(where: { $0.kind == .attentionOutput }) {
      var recipe = narrow.recipe
      recipe.widen(.layers(last))
      try ladder.attempt("+ 15 bits after the last attention", recipe)
    }
    guard let start = ladder.chosen, !isEnough(start.damage, bars) else { return }
    let search = SensitivitySearch(quantizer, objective)
    progress("finding products to widen")
    let gains = try search.sensitivities(
      start.recipe, candidates(start.recipe, quantizer),
      cost: { quantizer.cost(of: $0, rows: objective.rows) }, { $0.widen($1) })
    let ordered = affordable(gains, of: quantizer.cost(rows: objective.rows), search)
    guard !ordered.isEmpty else { return }
    let reached = try search.fewest(start.recipe, ordered, { $0.widen($1) }) {
      isEnough($0, bars)
    }
    if let recipe = reached.recipe {
      try ladder.settle("+ \(recipe.wideProducts) wide products", recipe)
    } else {
      var recipe = start.recipe
      for product in ordered { recipe.widen(product) }
      try ladder.attempt(
        "+ \(recipe.wideProducts) wide products", recipe, share: Self.worthwhileShare)
    }
  }

  /// The most that wide products may add to a tower's time.
  private static let mostWidening = 0.25
  /// The share of the loss that must be left at most where they do not bring features within bars.
  private static let worthwhileShare = 0.75

  /// The products that are not wide yet and can be.
  private func candidates(_ recipe: Recipe, _ quantizer: TowerQuantizer) -> [WideProduct] {
    let blocks = quantizer.source.architecture.vision.transformer.layers
    return AttentionPart.all(blocks: blocks).map { .attention($0) }
      + quantizer.groups.filter { $0.canBeWide && recipe.bits(of: $0).inputs <= 8 }.map {
        .layers($0)
      }
  }

  /// Those that gain anything, the most worthwhile first, as long as their time allows.
  private func affordable(
    _ gains: [SensitivitySearch.Sensitivity<WideProduct>], of time: Double,
    _ search: SensitivitySearch
  ) -> [WideProduct] {
    let costs = Dictionary(uniqueKeysWithValues: gains.map { ($0.candidate, $0.cost) })
    var left = Self.mostWidening * time
    return search.worthwhile(gains.filter { $0.loss < 0 }).filter { product in
      let cost = costs[product] ?? 0
      guard cost <= left else { return false }
      left -= cost
      return true
    }
  }

  /// Gives 7 bits to attention, of the last block's values only if that does not matter, and to inputs
  /// and weights, where the features stay within the bars.
  func narrow(
    _ ladder: inout Ladder, _ quantizer: TowerQuantizer, _ objective: TowerObjective,
    _ measured: inout [InputGroup: Double]
  ) throws(DeclipError) {
    guard var recipe = ladder.chosen?.recipe else { return }
    let bars = QualityBars.fast
    recipe.slimsAttention = true
    try ladder.settle("+ 7 bits for attention", recipe, if: bars.hold)
    if ladder.chosen?.recipe != recipe {
      let blocks = quantizer.source.architecture.vision.transformer.layers
      recipe.widen(.attention(AttentionPart(block: blocks - 1, kind: .values)))
      try ladder.settle("+ 7 bits for attention but the last values", recipe, if: bars.hold)
    }
    guard let start = ladder.chosen, bars.hold(for: start.damage) else { return }
    let search = SensitivitySearch(quantizer, objective)
    recipe = start.recipe
    // Of inputs in two bytes, which the features needed, both bytes have 7 bits then.
    func narrowInputs(_ recipe: inout Recipe, _ group: InputGroup) {
      let old = recipe.bits(of: group)
      recipe.bits[group] = .init(weights: old.weights, inputs: old.inputs > 8 ? 14 : 7)
    }
    func narrow(_ recipe: inout Recipe, _ group: InputGroup) {
      narrowInputs(&recipe, group)
      recipe.bits[group]?.weights = 7
    }
    progress("finding layers for 7 bits")
    let losses = try search.sensitivities(recipe, quantizer.groups, cost: quantizer.cost, narrow)
    for loss in losses { measured[loss.candidate] = loss.loss }
    let ordered = search.worthwhile(losses)
    recipe = try search.most(recipe, ordered, narrow, while: bars.hold)
    let count = recipe.bits.values.count { $0.weights == 7 }
    try ladder.settle("+ 7 bits for \(count) of \(quantizer.groups.count) groups of layers", recipe)
    // With inputs of 7 bits alone AVX2 still widens half as often.
    recipe = try search.most(
      recipe, ordered.filter { recipe.bits(of: $0).weights == 8 }, narrowInputs, while: bars.hold)
    let others = recipe.bits.values.count { $0.weights == 8 && [7, 14].contains($0.inputs) }
    if others > 0 {
      try ladder.settle("+ 7 bits for the inputs of \(others) more", recipe)
    }
  }

  /// Leaves inputs in float, those first that gain most for their cost, until the smallest mean
  /// cosine of any mode reaches `target`.
  func reach(
    _ target: Double, _ ladder: inout Ladder, _ quantizer: TowerQuantizer,
    _ objective: TowerObjective, _ measured: inout [InputGroup: Double]
  ) throws(DeclipError) {
    guard let start = ladder.chosen, start.cosine < target else { return }
    let search = SensitivitySearch(quantizer, objective)
    func leave(_ recipe: inout Recipe, _ group: InputGroup) { recipe.floats.insert(group) }
    progress("finding layers to leave in float")
    let gains = try search.sensitivities(
      start.recipe, quantizer.groups, cost: quantizer.cost, leave)
    for gain in gains { measured[gain.candidate] = -gain.loss }
    let ordered = search.worthwhile(gains)
    let (recipe, best) = try search.fewest(start.recipe, ordered, leave) { damage in
      damage.values.allSatisfy { $0.content.cosine >= target }
    }
    guard let recipe else {
      let reached = best.values.map(\.content.cosine).min() ?? 0
      throw DeclipError(
        .usage,
        "a mean cosine of \(target) is out of reach: with every linear layer in float it is "
          + "\(reached)", remedy: "use a lower --target")
    }
    try ladder.settle("+ \(recipe.floats.count) groups of layers in float", recipe)
  }
}
