import Model
import Runtime

/// Makes quantised towers of one model by recipes, from what calibration saw of its layers' inputs.
///
/// Work that recipes share is done once. Used by one thread at a time.
public final class TowerQuantizer {
  /// The model.
  public let source: any WeightSource
  /// What was seen of every group's rows.
  public let statistics: [InputGroup: InputStatistics]
  /// The groups that are quantised, in the order of computation.
  public let groups: [InputGroup]
  /// The migrations found, once one was asked for.
  private(set) var choices: [InputGroup: MigrationSearch.Choice]?
  /// Whether weights keep to `QuantizedMatrix.pairLimit`.
  private let limitsPairs: Bool
  private let pool: WorkerPool
  private var cache: [Key: [TensorRole: QuantizedMatrix]] = [:]

  /// What integers of weights follow from.
  private struct Key: Hashable {
    let group: InputGroup
    let range: WeightRange
    let rounding: Recipe.Rounding
    let migrates: Bool
    let weightBits: Int
  }

  /// A quantizer for a model; groups without statistics stay as they are. `limitsPairs` tells whether
  /// weights keep to `QuantizedMatrix.pairLimit`.
  public init(
    _ source: any WeightSource, statistics: [InputGroup: InputStatistics],
    limitsPairs: Bool = true, pool: WorkerPool
  ) {
    self.source = source
    self.statistics = statistics
    self.limitsPairs = limitsPairs
    self.pool = pool
    groups = source.architecture.inputGroups.filter {
      statistics[$0].map { $0.channels.count > 0 } ?? false
    }
  }

  /// The migrations of all groups that can have one.
  ///
  /// Throws `badData` where a weight is absent or damaged.
  public func migrations() throws(DeclipError) -> [InputGroup: Migration] {
    try migrationChoices().compactMapValues(\.migration)
  }

  func migrationChoices() throws(DeclipError) -> [InputGroup: MigrationSearch.Choice] {
    if let choices { return choices }
    var found: [InputGroup: MigrationSearch.Choice] = [:]
    let weights = MigratedWeights(source)
    for group in groups where group.source != nil {
      guard let statistics = statistics[group] else { continue }
      var layers: [[Float]] = []
      for role in group.weights { layers.append(try weights.values(role)) }
      found[group] = MigrationSearch(statistics, layers: layers, bits: 8, pool: pool).best()
    }
    choices = found
    return found
  }

  /// The tower that a recipe makes.
  ///
  /// Throws `badData` where a weight is absent, damaged or not finite.
  public func tower(_ recipe: Recipe) throws(DeclipError) -> QuantizedTower {
    // Integers of other recipes are not asked for again; a search goes on from the best so far.
    cache = cache.filter {
      $0.key.range == recipe.weightRange && $0.key.rounding == recipe.rounding
        && $0.key.migrates == recipe.migrates
    }
    let migrations = recipe.migrates ? try migrations() : [:]
    let floats = MigratedWeights(source, migrations: migrations)
    var tower = QuantizedTower(
      floats: floats,
      layers: Quantization(
        attention: recipe.attention(
          blocks: source.architecture.vision.transformer.layers)), matrices: [:])
    for group in groups {
      guard let seen = statistics[group] else { continue }
      let statistics = MigratedStatistics(seen, migrations[group])
      let bits = recipe.bits(of: group)
      let input =
        recipe.floats.contains(group)
        ? .float : input(recipe.inputs, statistics, bits: bits.inputs)
      let matrices = try matrices(of: group, recipe, floats, statistics)
      for (role, matrix) in matrices {
        tower.layers.layers[role] = .init(weightBits: bits.weights, input: input)
        tower.matrices[role] = matrix
      }
      if recipe.correctsBias {
        try correctBias(of: group, in: &tower, matrices, floats, statistics, input)
      }
    }
    return tower
  }

  /// How a group's input is quantised.
  private func input(
    _ inputs: Recipe.Inputs, _ statistics: MigratedStatistics, bits: Int
  ) -> Quantization.Input {
    switch inputs {
    case .perRow: return .perRow(bits: bits)
    case .perTensor where bits > 8: return .perRow(bits: bits)
    case .perTensor(let method):
      let range = statistics.histogram.range(method, bits: bits)
      let (scale, zeroPoint) = range.quantization(bits: bits)
      return .perTensor(scale: scale, zeroPoint: zeroPoint, bits: bits)
    }
  }

  private func matrices(
    of group: InputGroup, _ recipe: Recipe, _ floats: MigratedWeights,
    _ statistics: MigratedStatistics
  ) throws(DeclipError) -> [TensorRole: QuantizedMatrix] {
    let bits = recipe.bits(of: group)
    let key = Key(
      group: group, range: recipe.weightRange, rounding: recipe.rounding,
      migrates: recipe.migrates, weightBits: bits.weights)
    if let known = cache[key] { return known }
    let compensation =
      recipe.rounding == .gptq
      ? ErrorCompensation(
        width: group.width,
        noise: Quantization.Input.perRow(bits: recipe.defaultBits.inputs)
          .noise(statistics.rows, width: group.width),
        moments: statistics.moment) : nil
    let power = recipe.weightRange == .meanSquaredError ? statistics.power : []
    var result: [TensorRole: QuantizedMatrix] = [:]
    for role in group.weights {
      let weight = WeightMatrix(
        values: try floats.values(role), inputs: group.width, bits: bits.weights,
        limitsPairs: limitsPairs)
      guard weight.values.allSatisfy(\.isFinite) else {
        throw DeclipError(
          .badData, "holds values that are not finite", place: "tensor '\(role)'")
      }
      let scales = weight.scales(recipe.weightRange, power: power, pool: pool)
      let values =
        compensation?.rounded(weight, scales: scales, pool: pool)
        ?? weight.rounded(scales, pool: pool)
      result[role] = QuantizedMatrix(values: values, scales: scales)
    }
    cache[key] = result
    return result
  }

  /// Adds to each bias the mean of what the quantised layer's output lacks:
  /// `W E[x] - W_q E[x_q]` over calibration rows.
  private func correctBias(
    of group: InputGroup, in tower: inout QuantizedTower,
    _ matrices: [TensorRole: QuantizedMatrix], _ floats: MigratedWeights,
    _ statistics: MigratedStatistics, _ input: Quantization.Input
  ) throws(DeclipError) {
    let simulated = meanRow(input.simulated(statistics.rows, width: group.width), group.width)
    let sampled = meanRow(statistics.rows, group.width)
    // What clipping and rounding shift, on the sample; the mean itself, over all rows.
    let quantizedMean = statistics.mean.indices.map {
      statistics.mean[$0] + simulated[$0] - sampled[$0]
    }
    let roles = Set(floats.architecture.tensors.map(\.role))
    for weight in group.weights {
      guard let bias = weight.bias, roles.contains(bias), let matrix = matrices[weight] else {
        continue
      }
      let expected = product(try floats.values(weight), statistics.mean)
      let found = matrix.scales.indices.map { row in
        var sum = 0.0
        for column in 0..<group.width {
          sum += Double(matrix.values[row * group.width + column]) * quantizedMean[column]
        }
        return sum * Double(matrix.scales[row])
      }
      tower.floats.corrections[bias] = zip(expected, found).map { Float($0 - $1) }
    }
  }
}
