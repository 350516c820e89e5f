import Model
import Runtime

/// Gathers the statistics of every group of layers from an `ActivationPass`.
public final class LayerObserver: ActivationObserver {
  /// What was seen.
  public private(set) var statistics: [InputGroup: InputStatistics] = [:]
  private let groups: [TensorRole: InputGroup]
  private let pool: WorkerPool

  /// An observer of a model's layers; `rows` are sampled of each group from `pictures` pictures.
  public init(
    _ architecture: Architecture, pictures: Int, rows: Int = 512, seed: UInt64, pool: WorkerPool
  ) {
    self.pool = pool
    var groups: [TensorRole: InputGroup] = [:]
    for (number, group) in architecture.inputGroups.enumerated() {
      statistics[group] = InputStatistics(
        width: group.width, capacity: rows, pictures: pictures, seed: seed &+ UInt64(number))
      for weight in group.weights { groups[weight] = group }
    }
    self.groups = groups
  }

  /// Adds rows. Throws `badData` where a value is not finite.
  public func observe(
    _ rows: UnsafeBufferPointer<Float>, columns: Int, readBy weights: [TensorRole]
  ) throws(DeclipError) {
    guard let weight = weights.first, let group = groups[weight], group.width == columns else {
      return
    }
    statistics[group]?.add(rows, pool: pool)
    guard statistics[group]?.histogram.notFinite == 0 else {
      throw DeclipError(
        .badData, "reads values that are not finite", place: "tensor '\(weight)'",
        remedy: "the model cannot be quantised; look at it with declip-convert inspect")
    }
  }
}
