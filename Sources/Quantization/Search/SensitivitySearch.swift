import Model

/// Finds which groups of layers, or parts of attention, a change should be made to: how much the damage
/// changes with one alone, and then how many, from the most worthwhile on, can or must be changed.
struct SensitivitySearch {
  /// One candidate's measurement.
  struct Sensitivity<Candidate: Comparable> {
    let candidate: Candidate
    /// What the change of this one alone adds to the loss of the default mode.
    let loss: Double
    /// What is computed in other precision with it, in any unit.
    let cost: Double
  }

  private let quantizer: TowerQuantizer
  private let objective: TowerObjective
  /// Pictures that a single candidate is measured on.
  private static let pictures = 4

  init(_ quantizer: TowerQuantizer, _ objective: TowerObjective) {
    self.quantizer = quantizer
    self.objective = objective
  }

  /// Measures `change` on each of `candidates`, in the first mode on a few pictures.
  func sensitivities<Candidate: Comparable>(
    _ recipe: Recipe, _ candidates: [Candidate], cost: (Candidate) -> Double,
    _ change: (inout Recipe, Candidate) -> Void
  ) throws(DeclipError) -> [Sensitivity<Candidate>] {
    let before = try loss(recipe)
    var result: [Sensitivity<Candidate>] = []
    for candidate in candidates {
      var changed = recipe
      change(&changed, candidate)
      result.append(
        Sensitivity(
          candidate: candidate, loss: try loss(changed) - before, cost: cost(candidate)))
    }
    return result
  }

  /// Candidates by what a change of one costs in loss for what it changes, the least first.
  func worthwhile<Candidate: Comparable>(
    _ sensitivities: [Sensitivity<Candidate>]
  ) -> [Candidate] {
    sensitivities.sorted {
      ($0.loss / $0.cost, $0.candidate) < ($1.loss / $1.cost, $1.candidate)
    }.map(\.candidate)
  }

  private func loss(_ recipe: Recipe) throws(DeclipError) -> Double {
    let damage = try objective.damage(
      of: quantizer.tower(recipe), modes: Array(objective.modes.prefix(1)),
      pictures: Self.pictures)
    return damage.values.first?.loss ?? 0
  }

  /// The recipe with the change made to as many of `ordered` as `holds` allows, by bisection over
  /// how many.
  func most<Candidate>(
    _ recipe: Recipe, _ ordered: [Candidate], _ change: (inout Recipe, Candidate) -> Void,
    while holds: ([DenseMode: Damage]) -> Bool
  ) throws(DeclipError) -> Recipe {
    var (low, high) = (0, ordered.count)
    while low < high {
      let middle = (low + high + 1) / 2
      let tower = try quantizer.tower(changed(recipe, ordered.prefix(middle), change))
      if holds(try objective.damage(of: tower)) { low = middle } else { high = middle - 1 }
    }
    return changed(recipe, ordered.prefix(low), change)
  }

  /// The recipe with the change made to as few of `ordered` as suffice for `holds`; nil where all of
  /// them do not.
  func fewest<Candidate>(
    _ recipe: Recipe, _ ordered: [Candidate], _ change: (inout Recipe, Candidate) -> Void,
    until holds: ([DenseMode: Damage]) -> Bool
  ) throws(DeclipError) -> (recipe: Recipe?, best: [DenseMode: Damage]) {
    let all = changed(recipe, ordered[...], change)
    let best = try objective.damage(of: quantizer.tower(all))
    guard holds(best) else { return (nil, best) }
    var (low, high) = (0, ordered.count)
    while low < high {
      let middle = (low + high) / 2
      let tower = try quantizer.tower(changed(recipe, ordered.prefix(middle), change))
      if holds(try objective.damage(of: tower)) { high = middle } else { low = middle + 1 }
    }
    return (changed(recipe, ordered.prefix(high), change), best)
  }

  private func changed<Candidate>(
    _ recipe: Recipe, _ candidates: ArraySlice<Candidate>,
    _ change: (inout Recipe, Candidate) -> Void
  ) -> Recipe {
    var recipe = recipe
    for candidate in candidates { change(&recipe, candidate) }
    return recipe
  }
}

extension TowerQuantizer {
  /// What a product of more bits takes longer, in multiply-adds of bytes for one token among
  /// `rows`: layers make a second product, words of attention were measured to take half as long again.
  func cost(of product: WideProduct, rows: Int) -> Double {
    switch product {
    case .attention: Double(rows * source.architecture.vision.transformer.width) / 2
    case .layers(let group): cost(of: group)
    }
  }

  /// The multiply-adds of the whole tower for one token among `rows`.
  func cost(rows: Int) -> Double {
    let transformer = source.architecture.vision.transformer
    return groups.reduce(0) { $0 + cost(of: $1) }
      + Double(2 * transformer.layers * rows * transformer.width)
  }

  /// The multiply-adds of a group's layers for one token: their weights.
  func cost(of group: InputGroup) -> Double {
    let shapes = source.architecture.shapes
    return group.weights.reduce(0) {
      $0 + Double((shapes[$1] ?? []).reduce(1, *))
    }
  }
}
