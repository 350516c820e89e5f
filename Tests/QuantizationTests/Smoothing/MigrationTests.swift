import Model
import Runtime
import Testing

@testable import Quantization

@Suite struct MigrationTests {
  /// Migrations of all groups that can have one, far from 1 and 0.
  private func migrations(_ model: RandomModel, seed: UInt64) -> [InputGroup: Migration] {
    var random = SplitMix64(seed: seed)
    var result: [InputGroup: Migration] = [:]
    for group in model.architecture.inputGroups where group.source != nil {
      result[group] = Migration(
        scales: (0..<group.width).map { _ in 0.05 + 8 * random.uniform() },
        offsets: random.normals(group.width))
    }
    return result
  }

  @Test(arguments: Family.allCases) func theFloatFunctionStays(family: Family) throws {
    let model = RandomModel(family)
    let pool = try WorkerPool(threads: 2)
    let migrated = MigratedWeights(model, migrations: migrations(model, seed: 41))
    for mode in DenseMode.modes(of: family) {
      let change = try MigrationCheck.largestChange(
        from: model, to: migrated, pictures: RandomPictures(count: 2), modes: [mode], pool: pool,
        kernels: .chosen())
      #expect(change <= MigrationCheck.tolerance, "\(mode.rawValue): \(change)")
      #expect(change > 0, "\(mode.rawValue)")
    }
  }

  @Test func keysGetABiasForOffsetsOnly() throws {
    let model = RandomModel(.eva02)
    var migrations = migrations(model, seed: 42)
    #expect(
      MigratedWeights(model, migrations: migrations).architecture.vision.transformer.hasKeyBias)
    for group in migrations.keys {
      migrations[group]?.offsets = [Float](repeating: 0, count: group.width)
    }
    #expect(
      !MigratedWeights(model, migrations: migrations).architecture.vision.transformer.hasKeyBias)
  }

  /// Nothing is moved through a nonlinearity, nor into the last block's values, which other modes
  /// compare with each other.
  @Test func sourcesAreLinear() {
    let eva = RandomModel(.eva02).architecture.inputGroups
    #expect(eva.filter { $0.source == nil }.map(\.kind) == [.patchEmbedding])
    let clip = RandomModel(.clip).architecture.inputGroups
    #expect(clip.filter { $0.kind == .down }.allSatisfy { $0.source == nil })
    let outputs = clip.filter { $0.kind == .attentionOutput }
    #expect(
      outputs.map(\.source) == [
        .block(.vision, index: 0, .value, .weight), .block(.vision, index: 1, .value, .weight), nil,
      ])
  }

  @Test func whatChangesTheFunctionIsRefused() throws {
    var text = ""
    do throws(DeclipError) {
      try MigrationCheck.require(2e-5)
    } catch {
      text = error.description
    }
    #expect(
      text == "moving scales between layers changes features by 2e-05, expected at most 1e-05; "
        + "calibrate with --smoothing off")
    #expect(throws: DeclipError.self) { try MigrationCheck.require(.infinity) }
    try MigrationCheck.require(9e-6)
    // Offsets beside which nothing is left of the values.
    let model = RandomModel(.eva02)
    var broken = migrations(model, seed: 43)
    for group in broken.keys { broken[group]?.offsets[0] = 1e8 }
    let change = try MigrationCheck.largestChange(
      from: model, to: MigratedWeights(model, migrations: broken),
      pictures: RandomPictures(count: 1), modes: [.qq], pool: WorkerPool(threads: 1),
      kernels: .chosen())
    #expect(throws: DeclipError.self) { try MigrationCheck.require(change) }
  }

  /// A channel that owns the range: with a migration the layer's error falls to a fraction.
  @Test func outliersAreMovedAway() throws {
    let pool = try WorkerPool(threads: 2)
    var random = SplitMix64(seed: 44)
    let width = 24
    var rows = random.normals(200 * width)
    for row in 0..<200 { rows[row * width + 5] = 60 + 9 * random.normal() }
    var statistics = InputStatistics(width: width, capacity: 200, pictures: 1, seed: 1)
    rows.withUnsafeBufferPointer { statistics.add($0, pool: pool) }
    var weight = random.normals(16 * width)
    for row in 0..<16 { weight[row * width + 5] *= 0.02 }
    let choice = MigrationSearch(statistics, layers: [weight], bits: 8, pool: pool).best()
    #expect(choice.error < 0.05 * choice.errorBefore, "\(choice.error) \(choice.errorBefore)")
    #expect(choice.centre != .zero)
  }
}
