import Model
import Runtime

/// Runs pictures through the float engine and gathers what layers read.
public enum ObservationPass {
  /// The statistics of every group of layers.
  ///
  /// All pictures run in the ordinary mode, in which every layer computes on every token; every
  /// fourth also in the decoupled mode, whose last block projects other rows. A model exported for
  /// one mode runs in that.
  ///
  /// Throws what planning, reading pictures and weights throw, and `badData` where an activation is
  /// not finite. `progress` is called after every picture.
  public static func run(
    _ source: some WeightSource, pictures: some PictureInputs, indices: [Int], rows: Int = 512,
    seed: UInt64, pool: WorkerPool, kernels: Kernels, progress: (Int) -> Void = { _ in }
  ) throws(DeclipError) -> [InputGroup: InputStatistics] {
    let architecture = source.architecture
    let exported = architecture.vision.exportedMode
    var plans = [
      try Plan.vision(
        architecture, input: pictures.size, mode: exported ?? .vanilla, outputs: [.dense])
    ]
    if exported == nil {
      // First, so that samples have room for its rows.
      plans.insert(
        try Plan.vision(architecture, input: pictures.size, mode: .qq, outputs: [.dense]), at: 0)
    }
    let weights = try FloatWeights(source, for: plans, pool: pool)
    var statistics: [InputGroup: InputStatistics] = [:]
    for (number, group) in architecture.inputGroups.enumerated() {
      statistics[group] = InputStatistics(
        width: group.width, capacity: rows, pictures: indices.count,
        seed: seed &+ UInt64(number))
    }
    let last = architecture.vision.transformer.layers - 1
    for (place, plan) in plans.enumerated() {
      let engine = try FloatEngine(plan: plan, weights: weights, pool: pool, kernels: kernels)
      let isWhole = place == plans.count - 1
      let readers = readers(of: plan, architecture).filter {
        isWhole || ($0.value.group.block == last && $0.value.group.kind == .attentionOutput)
      }
      let chosen = isWhole ? indices : indices.enumerated().filter { $0.0 % 4 == 0 }.map(\.1)
      for (number, index) in chosen.enumerated() {
        let pixels = try pictures.pixels(index)
        try pixels.span.withUnsafeBufferPointer { pixels throws(DeclipError) in
          try engine.run(pixels: pixels) { step in
            guard let reader = readers[step] else { return }
            _ = engine.withRows(of: reader.source, plan.steps[step].rows) {
              statistics[reader.group]?.add($0, pool: pool)
            }
          }
        }
        if isWhole { progress(number + 1) }
      }
    }
    for group in architecture.inputGroups {
      guard let bad = statistics[group]?.histogram.notFinite, bad > 0 else { continue }
      throw DeclipError(
        .badData, "\(bad) activations are not finite", place: group.description,
        remedy: "the model cannot be quantised; check it with declip-convert")
    }
    return statistics
  }

  /// The steps after which a group's rows stand in a slot.
  static func readers(
    of plan: Plan, _ architecture: Architecture
  ) -> [Int: (group: InputGroup, source: Slot)] {
    var readers: [Int: (group: InputGroup, source: Slot)] = [:]
    var seen: Set<InputGroup> = []
    for (index, step) in plan.steps.enumerated() {
      let reader: (layer: BlockLayer, source: Slot)
      switch step.operation {
      case .linear(.block(_, let layer), let source, _, _, _): reader = (layer, source)
      case .gatedLinear(let source, _): reader = (.up, source)
      default: continue
      }
      guard
        let group = architecture.inputGroups.first(where: {
          $0.block == step.block && $0.layers.contains(reader.layer)
        }), seen.insert(group).inserted
      else { continue }
      readers[index] = (group, reader.source)
    }
    return readers
  }
}
