import Foundation
import Model
import Runtime
import Vision

/// Two walks of the same plan side by side, to find where one loses what the other has.
///
/// The first encoder is the reference: usually a model in float32, the second the same model in
/// int8. Errors add up along the way, so a step's difference is that of everything before it too;
/// `StepDifference.loss` is what the step itself added.
public final class Comparison {
  /// One step of the plan.
  public struct StepDifference: Sendable {
    /// The step.
    public let step: Step
    /// How far the rows that it made are apart, over all pictures; nil where one of the engines
    /// computes it within another step.
    public internal(set) var difference: RowDifference?
    /// How far the steps are apart whose results it reads: of several the lowest ratio; nil for the
    /// first step.
    public internal(set) var inputRatio: Double?

    /// How many dB lower the ratio of what the step made is than that of what it read; nil where
    /// either was not compared.
    public var loss: Double? {
      guard let inputRatio, let difference, inputRatio.isFinite, difference.ratio.isFinite
      else { return nil }
      return inputRatio - difference.ratio
    }
  }

  /// The steps in the plan's order; empty before the first picture.
  public private(set) var steps: [StepDifference] = []
  /// How far the final dense features `[patches, embedding]` are apart, not normalised.
  public private(set) var features = RowDifference()
  /// The pictures compared.
  public private(set) var pictures = 0

  private let reference: ImageEncoder
  private let other: ImageEncoder

  /// Compares `other` with `reference`; both compute dense features in the same mode.
  ///
  /// Throws `usage` where they do not.
  public init(reference: ImageEncoder, other: ImageEncoder) throws(DeclipError) {
    guard reference.mode == other.mode, reference.outputs == [.dense], other.outputs == [.dense]
    else {
      throw DeclipError(.usage, "only dense features in the same mode can be compared")
    }
    self.reference = reference
    self.other = other
  }

  /// Walks both plans on a picture laid into the input as `geometry` says, with the pixels that the
  /// reference's preprocessing makes of it.
  ///
  /// Throws `usage` where the two models' plans are not the same, and what
  /// `ImageEncoder.engine(for:)` throws.
  public func add(_ image: Image, geometry: InputGeometry) throws(DeclipError) {
    let input = reference.model.architecture.preprocessing.dense(image, geometry)
    let size = InputSize(height: input.height, width: input.width)
    let (a, b) = (try reference.engine(for: size), try other.engine(for: size))
    guard a.plan.computesTheSame(as: b.plan) else {
      throw DeclipError(
        .usage,
        "\(reference.model.path) and \(other.model.path) do not compute the same steps, so that "
          + "there is nothing to compare", expected: "two files of one model")
    }
    if steps.isEmpty {
      steps = a.plan.steps.map { StepDifference(step: $0, difference: RowDifference()) }
    }
    try walk(a, b, input.values)
    features.add(
      reference: a.output(.dense), other: b.output(.dense), columns: a.plan.embeddingSize)
    pictures += 1
    relateToInputs(a.plan)
  }

  /// Runs both engines step by step in turns, so that the rows of one step at a time are kept.
  private func walk(
    _ a: any VisionEngine, _ b: any VisionEngine, _ pixels: [Float]
  ) throws(DeclipError) {
    let walk = try ReferenceWalk(a, pixels)
    defer { walk.finish() }
    try pixels.withUnsafeBufferPointer { pixels throws(DeclipError) in
      try b.run(pixels: pixels) { index in
        if let own = b.rows(madeBy: index), let rows = walk.rows,
          let target = steps[index].step.target
        {
          steps[index].difference?.add(
            reference: rows, other: own, columns: b.plan.width(of: target))
        } else {
          steps[index].difference = nil
        }
        walk.goOn()
      }
    }
  }

  private func relateToInputs(_ plan: Plan) {
    // The ratio of what stands in a slot: that of the last step compared which wrote there.
    var ratios: [Slot: Double] = [:]
    for index in steps.indices {
      let inputs = plan.reads(steps[index].step).compactMap { ratios[$0] }
      steps[index].inputRatio = inputs.min()
      // What was not compared is as far apart as what it was made of, as far as anyone knows.
      if let target = steps[index].step.target {
        ratios[target] = steps[index].difference?.ratio ?? steps[index].inputRatio
      }
    }
  }
}

extension Plan {
  /// Whether another plan has the same steps on rows of the same sizes.
  fileprivate func computesTheSame(as other: Plan) -> Bool {
    steps == other.steps && rows == other.rows && patchSize == other.patchSize
      && transformer.width == other.transformer.width
      && transformer.hiddenSize == other.transformer.hiddenSize
      && transformer.heads == other.transformer.heads && embeddingSize == other.embeddingSize
  }
}

/// An engine's run on a thread of its own that stops after every step until it is told to go on.
/// The thread and its owner never work at the same time, so that both may use one pool.
private final class ReferenceWalk: @unchecked Sendable {
  // Sendable: what is shared is touched in turns only, handed over by the semaphores.
  private let engine: any VisionEngine
  private let turn = DispatchSemaphore(value: 0)
  private let done = DispatchSemaphore(value: 0)
  private var hasEnded = false
  private var failure: DeclipError?
  /// The rows that the step at which the run stands made.
  private(set) var rows: [Float]?

  /// Runs the first step.
  init(_ engine: any VisionEngine, _ pixels: [Float]) throws(DeclipError) {
    self.engine = engine
    Thread.detachNewThread { [self] in
      run(pixels)
      hasEnded = true
      done.signal()
    }
    done.wait()
    if let failure { throw failure }
  }

  private func run(_ pixels: [Float]) {
    do throws(DeclipError) {
      try pixels.withUnsafeBufferPointer { pixels throws(DeclipError) in
        try engine.run(pixels: pixels) { index in
          rows = engine.rows(madeBy: index)
          done.signal()
          turn.wait()
        }
      }
    } catch {
      failure = error
    }
  }

  /// Runs the next step, or ends the run after the last.
  func goOn() {
    turn.signal()
    done.wait()
  }

  /// Runs what is left.
  func finish() {
    while !hasEnded { goOn() }
  }
}
