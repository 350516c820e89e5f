import Model
import Runtime

/// Calibrates a model: observes it, chooses a recipe, and tells what that cost.
public struct Calibrator {
  /// What came of it.
  public struct Result {
    /// The quantised model.
    public let tower: QuantizedTower
    /// How it was chosen.
    public let record: CalibrationRecord
  }

  let options: CalibrationOptions
  private let embeddings: [Float]
  private let pool: WorkerPool
  private let kernels: Kernels
  let progress: (String) -> Void

  /// The most pictures that are held out, whose float features are kept.
  private static let mostHeldOut = 16

  /// Prepares a calibration; `embeddings` are normalised class embeddings `[classes, embedding]`,
  /// or empty; `progress` is told what is being done.
  public init(
    _ options: CalibrationOptions, embeddings: [Float] = [], pool: WorkerPool, kernels: Kernels,
    progress: @escaping (String) -> Void = { _ in }
  ) {
    self.options = options
    self.embeddings = embeddings
    self.pool = pool
    self.kernels = kernels
    self.progress = progress
  }

  /// Calibrates `source` on three quarters of the pictures, and measures on the others, at most 16.
  ///
  /// Throws `usage` for fewer than 2 pictures and where `target` cannot be reached, and what reading
  /// pictures and weights and running engines throw.
  public func run(
    _ source: some WeightSource, pictures: some PictureInputs, skipped: Int = 0
  ) throws(DeclipError) -> Result {
    let (fitted, heldOut) = try split(pictures)
    let modes = modes(of: source.architecture)
    progress("observing \(fitted.count) pictures")
    let statistics = try observe(source, fitted, modes)
    progress("measuring \(heldOut.count) held-out pictures in float")
    let objective = try TowerObjective(
      source, pictures: heldOut, modes: modes, embeddings: embeddings, pool: pool,
      kernels: kernels)
    let quantizer = TowerQuantizer(
      source, statistics: statistics, limitsPairs: options.prefer != .fidelity, pool: pool)
    if options.smoothing ?? (options.method == .auto) {
      try checkMigrations(source, quantizer, heldOut, modes)
    }
    var ladder = Ladder(quantizer, objective, progress: progress)
    if let recipe = fixedRecipe {
      try ladder.settle(name(of: recipe), recipe)
    } else {
      try ladder.climb(options)
    }
    var measured: [InputGroup: Double] = [:]
    if options.method == .auto { try widen(&ladder, quantizer, objective) }
    if options.prefer == .speed { try narrow(&ladder, quantizer, objective, &measured) }
    if let target = options.target {
      try reach(target, &ladder, quantizer, objective, &measured)
    }
    guard let chosen = ladder.chosen else {
      throw DeclipError(.internal, "the ladder has no rungs")
    }
    let tower = try quantizer.tower(chosen.recipe)
    var record = CalibrationRecord(
      options: optionTexts, arithmetic: Arithmetic.name, calibrationPictures: fitted.count,
      heldOutPictures: heldOut.count, skippedPictures: skipped)
    record.add(ladder, size: pictures.size, modes: modes)
    try record.add(quantizer, tower, chosen.recipe, sensitivities: measured, pool: pool)
    return Result(tower: tower, record: record)
  }

  /// The recipe that options name; nil where it is to be found.
  private var fixedRecipe: Recipe? {
    let inputs: Recipe.Inputs
    switch options.method {
    case .auto: return nil
    case .perRow: inputs = .perRow
    case .perTensor(let method): inputs = .perTensor(method)
    }
    return Recipe(
      inputs: inputs, rounding: options.rounding ?? .nearest,
      migrates: options.smoothing ?? false)
  }

  private func split<Pictures: PictureInputs>(
    _ pictures: Pictures
  ) throws(DeclipError) -> (PictureSubset<Pictures>, PictureSubset<Pictures>) {
    guard pictures.count >= 2 else {
      throw DeclipError(
        .usage, "there is \(pictures.count) picture to calibrate on",
        expected: "at least 2, better 8 to 64")
    }
    var random = SplitMix64(seed: options.seed)
    let order = (0..<pictures.count).map { ($0, random.next()) }
      .sorted { ($0.1, $0.0) < ($1.1, $1.0) }.map(\.0)
    let count = min(Self.mostHeldOut, max(1, pictures.count / 4))
    return (
      PictureSubset(pictures, indices: order.dropFirst(count).sorted()),
      PictureSubset(pictures, indices: order.prefix(count).sorted())
    )
  }

  /// The modes that a model is used in: DeCLIP's own, the sum of two, the ordinary block.
  private func modes(of architecture: Architecture) -> [DenseMode] {
    let known = DenseMode.modes(of: architecture.family)
    let candidates: [DenseMode] = [.qq, .csa, .vanilla, .kk, .vv, .maskclip].filter {
      known.contains($0) && (architecture.vision.exportedMode?.covers($0) ?? true)
    }
    return Array(candidates.prefix(3))
  }

  private func observe(
    _ source: some WeightSource, _ pictures: some PictureInputs, _ modes: [DenseMode]
  ) throws(DeclipError) -> [InputGroup: InputStatistics] {
    let decoupled = modes.filter { $0 != .vanilla }
    let pass = try ActivationPass(
      source, size: pictures.size, modes: Array(decoupled.prefix(1)), pool: pool, kernels: kernels)
    let observer = LayerObserver(
      source.architecture, pictures: pictures.count, seed: options.seed, pool: pool)
    try pass.run(pictures, observer: observer)
    return observer.statistics
  }

  private func checkMigrations(
    _ source: some WeightSource, _ quantizer: TowerQuantizer, _ pictures: some PictureInputs,
    _ modes: [DenseMode]
  ) throws(DeclipError) {
    progress("finding migrations")
    let migrated = MigratedWeights(source, migrations: try quantizer.migrations())
    let change = try MigrationCheck.largestChange(
      from: source, to: migrated, pictures: PictureSubset(pictures, indices: [0]), modes: modes,
      pool: pool, kernels: kernels)
    try MigrationCheck.require(change)
  }

  private func name(of recipe: Recipe) -> String {
    var parts: [String] = []
    switch recipe.inputs {
    case .perRow: parts.append("per row")
    case .perTensor(let method): parts.append("per tensor \(method)")
    }
    if recipe.migrates { parts.append("migration") }
    if recipe.rounding != .nearest { parts.append(recipe.rounding.rawValue) }
    return parts.joined(separator: ", ")
  }

  private var optionTexts: [String: String] {
    var texts = ["prefer": options.prefer.rawValue, "seed": String(options.seed)]
    switch options.method {
    case .auto: texts["method"] = "auto"
    case .perRow: texts["method"] = "row"
    case .perTensor(let method): texts["method"] = method.description
    }
    texts["rounding"] = options.rounding?.rawValue
    texts["smoothing"] = options.smoothing.map { $0 ? "on" : "off" }
    texts["target"] = options.target.map { String($0) }
    return texts
  }
}
