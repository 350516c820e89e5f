import Model
import Runtime

/// Sees the rows that a tower's linear layers read while pictures run through it.
public protocol ActivationObserver: AnyObject {
  /// Takes rows, `[rows, columns]` row-major, that the layers with these weights are about to read.
  ///
  /// The memory is the engine's and is valid during the call only. Called once a picture for most
  /// layers; for layers of the last block once for each way in which it is computed.
  func observe(
    _ rows: UnsafeBufferPointer<Float>, columns: Int, readBy weights: [TensorRole]
  ) throws(DeclipError)
}

/// Streams pictures through the float engine and hands what linear layers read to observers.
///
/// Every layer that can be quantised is seen, on all rows: the last block is computed in the
/// ordinary way and in each of the modes asked for. Layers that read the same rows are handed them
/// together. Used by one thread at a time.
public final class ActivationPass {
  /// The size of the pictures.
  public let size: InputSize
  private let engine: FloatEngine
  private let visits: [Int: [Visit]]

  /// The weights of layers and the rows that they read, which stand in a slot after a step.
  private struct Visit {
    let slot: Slot
    let rows: RowSet
    let weights: [TensorRole]
  }

  /// Reads the float weights of a tower and places the engine.
  ///
  /// Throws what `Plan.observation` and `FloatWeights` throw.
  public init(
    _ source: some WeightSource, size: InputSize, modes: [DenseMode], pool: WorkerPool,
    kernels: Kernels
  ) throws(DeclipError) {
    self.size = size
    let plan = try Plan.observation(source.architecture, input: size, modes: modes)
    visits = Self.visits(of: plan)
    engine = try FloatEngine(
      plan: plan, weights: FloatWeights(source, for: [plan], pool: pool), pool: pool,
      kernels: kernels)
  }

  /// Runs pictures of the pass's size through the tower, `began` being told of each by its index.
  ///
  /// Throws what reading a picture and `observer` throw.
  public func run(
    _ pictures: some PictureInputs, observer: some ActivationObserver,
    began: (Int) -> Void = { _ in }
  ) throws(DeclipError) {
    for index in 0..<pictures.count {
      began(index)
      let pixels = try pictures.pixels(index)
      var failure: DeclipError?
      try pixels.span.withUnsafeBufferPointer { pixels throws(DeclipError) in
        try engine.run(pixels: pixels) { step in
          for visit in visits[step] ?? [] where failure == nil {
            failure = hand(visit, to: observer)
          }
        }
      }
      if let failure { throw failure }
    }
  }

  private func hand(_ visit: Visit, to observer: some ActivationObserver) -> DeclipError? {
    let columns = engine.plan.width(of: visit.slot)
    return engine.withRows(of: visit.slot, visit.rows) { rows -> DeclipError? in
      do throws(DeclipError) {
        try observer.observe(rows, columns: columns, readBy: visit.weights)
        return nil
      } catch {
        return error
      }
    } ?? nil
  }

  /// What to look at after each step of a plan.
  private static func visits(of plan: Plan) -> [Int: [Visit]] {
    var visits: [Int: [Visit]] = [:]
    for (index, step) in plan.steps.enumerated() {
      guard let slot = step.quantizableSource else { continue }
      // The patches' pixels are laid out by the step that multiplies them.
      let place = step.operation == .embedPatches ? index : index - 1
      // Layers that read what an earlier one did are seen together with it.
      let earlier = plan.steps[..<index].lastIndex {
        $0.quantizableSource == slot && $0.rows == step.rows && $0.block == step.block
      }
      if let earlier, !plan.steps[earlier..<index].contains(where: { $0.makes(slot) }) {
        continue
      }
      var weights: [TensorRole] = []
      for reader in plan.steps[index...] {
        if reader.quantizableSource == slot, reader.rows == step.rows {
          weights += reader.quantizableWeights
        }
        if reader.makes(slot) { break }
      }
      let rows: RowSet = step.operation == .embedPatches ? .patches : step.rows
      visits[place, default: []].append(Visit(slot: slot, rows: rows, weights: weights))
    }
    return visits
  }
}

extension Step {
  /// The slot that a linear layer before the head reads; nil for other steps.
  fileprivate var quantizableSource: Slot? {
    switch operation {
    case .embedPatches: .patches
    case .linear(.block, let source, _, _, _), .gatedLinear(let source, _): source
    default: nil
    }
  }

  /// The weights that the step multiplies rows of `quantizableSource` by.
  fileprivate var quantizableWeights: [TensorRole] {
    switch operation {
    case .embedPatches: [.patchEmbedding(.weight)]
    case .linear(.block(let index, let layer), _, _, _, _):
      [.block(.vision, index: index, layer, .weight)]
    case .gatedLinear:
      [BlockLayer.gate, .up].map { .block(.vision, index: block ?? 0, $0, .weight) }
    default: []
    }
  }

  fileprivate func makes(_ slot: Slot) -> Bool {
    target == slot && operation != .embedPatches
  }
}
