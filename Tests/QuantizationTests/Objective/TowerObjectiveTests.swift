import Model
import Runtime
import Testing

@testable import Quantization

@Suite struct TowerObjectiveTests {
  /// Context features are queries before attention, so that no mode moves them.
  @Test(arguments: Family.allCases) func contextIsTheSameInEveryMode(family: Family) throws {
    let model = RandomModel(family)
    let modes = DenseMode.modes(of: family)
    let pool = try WorkerPool(threads: 2)
    let objective = try TowerObjective(
      model, pictures: RandomPictures(count: 2), modes: modes, embeddings: [], pool: pool,
      kernels: .chosen())
    let damage = try objective.damage(of: model)
    let context = modes.compactMap { damage[$0]?.context }
    #expect(context.count == modes.count)
    #expect(Set(context).count == 1 && context[0] < 0.1, "\(context)")
  }
}
