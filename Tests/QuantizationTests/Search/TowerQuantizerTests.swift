import Model
import Runtime
import Testing

@testable import Quantization

@Suite struct TowerQuantizerTests {
  private func quantizer(_ model: RandomModel, _ pool: WorkerPool) throws -> TowerQuantizer {
    let pictures = RandomPictures()
    let pass = try ActivationPass(
      model, size: pictures.size, modes: [.qq], pool: pool, kernels: .chosen())
    let observer = LayerObserver(
      model.architecture, pictures: pictures.count, rows: 200, seed: 1, pool: pool)
    try pass.run(pictures, observer: observer)
    return TowerQuantizer(model, statistics: observer.statistics, pool: pool)
  }

  @Test(arguments: Family.allCases) func everyLayerIsSeen(family: Family) throws {
    let pool = try WorkerPool(threads: 1)
    let model = RandomModel(family)
    let quantizer = try quantizer(model, pool)
    #expect(quantizer.groups == model.architecture.inputGroups)
    // 30 patches and the class token of 8 pictures; the last block's output in two modes.
    for group in quantizer.groups {
      let rows =
        switch group.kind {
        case .patchEmbedding: 240
        case .attentionOutput where group.block == 2: 248 + 240
        default: 248
        }
      #expect(quantizer.statistics[group]?.channels.count == rows, "\(group)")
    }
  }

  /// With a corrected bias a layer's mean output over calibration rows is the float layer's.
  @Test func biasesMakeUpForTheMeanError() throws {
    let pool = try WorkerPool(threads: 2)
    let quantizer = try quantizer(RandomModel(.eva02), pool)
    var recipe = Recipe(
      inputs: .perTensor(.percentile(0.9)), migrates: true,
      defaultBits: .init(weights: 7, inputs: 7))
    func meanError(_ recipe: Recipe) throws -> Double {
      let tower = try quantizer.tower(recipe)
      let group = try #require(quantizer.groups.first { $0.kind == .down })
      let (weight, bias) = (group.weights[0], try #require(group.weights[0].bias))
      let statistics = MigratedStatistics(
        try #require(quantizer.statistics[group]), try quantizer.migrations()[group])
      let input = try #require(tower.layers.layers[weight]).input
      var quantized = [Float](repeating: 0, count: 32 * group.width)
      try quantized.withUnsafeMutableBufferPointer { try tower.read(weight, into: $0) }
      let uncorrected = MigratedWeights(
        quantizer.source, migrations: try quantizer.migrations())
      let found = meanRow(
        Matrix.product(
          of: input.simulated(statistics.rows, width: group.width), with: quantized,
          width: group.width, pool: pool), 32)
      let expected = meanRow(
        Matrix.product(
          of: statistics.rows, with: try uncorrected.values(weight), width: group.width,
          pool: pool), 32)
      let added = zip(try tower.floats.values(bias), try uncorrected.values(bias)).map { $0 - $1 }
      return (0..<32).reduce(0) { $0 + abs(found[$1] + Double(added[$1]) - expected[$1]) }
    }
    let before = try meanError(recipe)
    recipe.correctsBias = true
    let after = try meanError(recipe)
    // The rows sampled are not all rows that the mean was taken of.
    #expect(after < 0.2 * before, "\(after) \(before)")
  }

  @Test func groupsKeepToTheirBits() throws {
    let pool = try WorkerPool(threads: 1)
    let quantizer = try quantizer(RandomModel(.clip), pool)
    var recipe = Recipe(inputs: .perRow, rounding: .gptq)
    recipe.floats = [quantizer.groups[1]]
    recipe.bits[quantizer.groups[2]] = .init(weights: 7, inputs: 7)
    let tower = try quantizer.tower(recipe)
    for weight in quantizer.groups[1].weights {
      #expect(tower.layers.layers[weight] == .init(weightBits: 8, input: .float))
    }
    for weight in quantizer.groups[2].weights {
      #expect(tower.layers.layers[weight] == .init(weightBits: 7, input: .perRow(bits: 7)))
      #expect(try tower.quantizedMatrix(weight).values.allSatisfy { abs(Int($0)) <= 63 })
    }
    #expect(throws: DeclipError.self) {
      try tower.quantizedMatrix(.block(.vision, index: 0, .norm1, .weight))
    }
  }

  /// Fifteen bits are those of a row, whatever other inputs have.
  @Test(arguments: [Recipe.Inputs.perRow, .perTensor(.minMax)])
  func rowsAreWideWhereTheRecipeSays(inputs: Recipe.Inputs) throws {
    let quantizer = try quantizer(RandomModel(.eva02), WorkerPool(threads: 1))
    let groups = quantizer.groups.filter(\.canBeWide)
    #expect(
      groups.map(\.kind).prefix(4) == [.patchEmbedding, .projections, .attentionOutput, .down])
    var recipe = Recipe(inputs: inputs, defaultBits: .init(weights: 7, inputs: 8))
    for group in groups { recipe.widen(.layers(group)) }
    #expect(recipe.wideProducts == groups.count)
    let tower = try quantizer.tower(recipe)
    let wide = tower.layers.layers.filter {
      $0.value == .init(weightBits: 7, input: .perRow(bits: 15))
    }
    #expect(Set(wide.keys) == Set(groups.flatMap(\.weights)))
    try tower.architecture.validate(tower.layers)
  }

  @Test func attentionIsWideWhereTheRecipeSays() throws {
    let quantizer = try quantizer(RandomModel(.clip), WorkerPool(threads: 1))
    var recipe = Recipe(inputs: .perRow)
    #expect(try quantizer.tower(recipe).layers.attention == [])
    recipe.wideAttention = [.init(block: 1, kind: .scores), .init(block: 2, kind: .values)]
    let narrow = Quantization.Attention.narrow
    #expect(
      try quantizer.tower(recipe).layers.attention == [
        narrow, .init(scoreBits: 13, valueBits: 8), .init(scoreBits: 8, valueBits: 12),
      ])
    recipe.slimsAttention = true
    let slim = try quantizer.tower(recipe).layers
    #expect(
      slim.attention == [
        .slim, .init(scoreBits: 13, valueBits: 7), .init(scoreBits: 7, valueBits: 12),
      ])
    try quantizer.source.architecture.validate(slim)
  }

  /// Values in between are off by half a step at most, as the int8 engine has them.
  @Test(arguments: [7, 8, 15]) func inputsAreRounded(bits: Int) {
    var random = SplitMix64(seed: 51)
    let rows = random.normals(40 * 10)
    let perRow = Quantization.Input.perRow(bits: bits).simulated(rows, width: 10)
    for row in 0..<40 {
      let magnitude = rows[row * 10..<(row + 1) * 10].map(abs).max() ?? 0
      let step = magnitude / Float((1 << (bits - 1)) - 1)
      for index in row * 10..<(row + 1) * 10 {
        #expect(abs(perRow[index] - rows[index]) <= 0.5001 * step)
      }
    }
    let input = Quantization.Input.perTensor(scale: 0.01, zeroPoint: 20, bits: bits)
    let top = Float((1 << bits) - 1 - 20) * 0.01
    for (x, y) in zip(rows, input.simulated(rows, width: 10)) {
      #expect(abs(y - min(max(x, -0.2), top)) <= 0.00501)
    }
  }
}
