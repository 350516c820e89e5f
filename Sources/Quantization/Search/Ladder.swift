import Model

/// Climbs from the plainest recipe to better ones, a step at a time, and keeps each step that
/// lessens the damage on held-out pictures.
struct Ladder {
  /// A recipe that was tried.
  struct Rung {
    let name: String
    let recipe: Recipe
    let damage: [DenseMode: Damage]

    /// The mean loss over modes.
    var loss: Double {
      damage.isEmpty ? 0 : damage.values.reduce(0) { $0 + $1.loss } / Double(damage.count)
    }

    /// The smallest mean cosine of any mode.
    var cosine: Double { damage.values.map(\.content.cosine).min() ?? 1 }
    /// The smallest centred one.
    var centredCosine: Double { damage.values.map(\.content.centredCosine).min() ?? 1 }
  }

  private(set) var rungs: [Rung] = []
  /// The number of the rung that lost least.
  private(set) var best = 0
  private let quantizer: TowerQuantizer
  private let objective: TowerObjective
  private let progress: (String) -> Void

  init(
    _ quantizer: TowerQuantizer, _ objective: TowerObjective,
    progress: @escaping (String) -> Void
  ) {
    self.quantizer = quantizer
    self.objective = objective
    self.progress = progress
  }

  /// The best recipe so far.
  var chosen: Rung? { rungs.indices.contains(best) ? rungs[best] : nil }

  /// Measures a recipe; the best so far stays the best unless this one loses less than `share` of
  /// what that loses.
  @discardableResult
  mutating func attempt(
    _ name: String, _ recipe: Recipe, share: Double = 1
  ) throws(DeclipError) -> Rung {
    progress(name)
    let tower = try quantizer.tower(recipe)
    let rung = Rung(name: name, recipe: recipe, damage: try objective.damage(of: tower))
    rungs.append(rung)
    if rungs.count > 1, rung.loss < share * rungs[best].loss { best = rungs.count - 1 }
    return rung
  }

  /// The same, and this one becomes the chosen one whatever it loses.
  mutating func settle(_ name: String, _ recipe: Recipe) throws(DeclipError) {
    try attempt(name, recipe)
    best = rungs.count - 1
  }

  /// The same, if what it loses is within bounds.
  mutating func settle(
    _ name: String, _ recipe: Recipe, if holds: ([DenseMode: Damage]) -> Bool
  ) throws(DeclipError) {
    let rung = try attempt(name, recipe)
    if holds(rung.damage) { best = rungs.count - 1 }
  }

  /// Tries all steps that options leave open, each on top of the best so far: one range for all
  /// rows, a scale for each row, migration, compensated rounding, ranges of weights by squared
  /// error, corrected biases, and at last one range for all rows again with all that helped.
  mutating func climb(_ options: CalibrationOptions) throws(DeclipError) {
    try attempt("per tensor min-max", Recipe(inputs: .perTensor(.minMax)))
    try attempt("per row min-max", Recipe(inputs: .perRow))
    if options.smoothing != false {
      try step("migration") { $0.migrates = true }
    }
    if options.rounding != .nearest {
      try step("gptq") { $0.rounding = .gptq }
    }
    try step("weights mse") { $0.weightRange = .meanSquaredError }
    try step("bias correction") { $0.correctsBias = true }
    try step("per tensor mse") { $0.inputs = .perTensor(.meanSquaredError) }
  }

  private mutating func step(
    _ name: String, _ change: (inout Recipe) -> Void
  ) throws(DeclipError) {
    guard var recipe = chosen?.recipe else { return }
    change(&recipe)
    try attempt("+ " + name, recipe)
  }
}
