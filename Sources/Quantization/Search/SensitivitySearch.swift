import Model

/// Finds which groups of layers a change should be made to: how much the damage changes with one
/// group alone, and then how many groups, from the most worthwhile on, can or must be changed.
struct SensitivitySearch {
  /// One group's measurement.
  struct Sensitivity {
    let group: InputGroup
    /// What the change of this group alone adds to the loss of the default mode.
    let loss: Double
    /// The group's multiply-adds for a token.
    let cost: Double
  }

  private let quantizer: TowerQuantizer
  private let objective: TowerObjective
  /// Pictures that a single group is measured on.
  private static let pictures = 4

  init(_ quantizer: TowerQuantizer, _ objective: TowerObjective) {
    self.quantizer = quantizer
    self.objective = objective
  }

  /// Measures `change` on each of `groups`, in the first mode on a few pictures.
  func sensitivities(
    _ recipe: Recipe, _ groups: [InputGroup], _ change: (inout Recipe, InputGroup) -> Void
  ) throws(DeclipError) -> [Sensitivity] {
    let before = try loss(recipe)
    var result: [Sensitivity] = []
    for group in groups {
      var changed = recipe
      change(&changed, group)
      result.append(
        Sensitivity(group: group, loss: try loss(changed) - before, cost: quantizer.cost(of: group))
      )
    }
    return result
  }

  private func loss(_ recipe: Recipe) throws(DeclipError) -> Double {
    let damage = try objective.damage(
      of: quantizer.tower(recipe), modes: Array(objective.modes.prefix(1)),
      pictures: Self.pictures)
    return damage.values.first?.loss ?? 0
  }

  /// The recipe with the change made to as many of `ordered` groups as `holds` allows, by
  /// bisection over how many.
  func most(
    _ recipe: Recipe, _ ordered: [InputGroup], _ change: (inout Recipe, InputGroup) -> Void,
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

  /// The recipe with the change made to as few of `ordered` groups as suffice for `holds`; nil
  /// where all of them do not.
  func fewest(
    _ recipe: Recipe, _ ordered: [InputGroup], _ change: (inout Recipe, InputGroup) -> Void,
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

  private func changed(
    _ recipe: Recipe, _ groups: ArraySlice<InputGroup>,
    _ change: (inout Recipe, InputGroup) -> Void
  ) -> Recipe {
    var recipe = recipe
    for group in groups { change(&recipe, group) }
    return recipe
  }
}

extension TowerQuantizer {
  /// The multiply-adds of a group's layers for one token: their weights.
  func cost(of group: InputGroup) -> Double {
    let shapes = Dictionary(
      uniqueKeysWithValues: source.architecture.tensors.map { ($0.role, $0.shape) })
    return group.weights.reduce(0) {
      $0 + Double((shapes[$1] ?? []).reduce(1, *))
    }
  }
}
