import Foundation
import Importers
import Model

@testable import Runtime

/// The vision tower of a small model, its weights read for every plan that the tests walk.
struct SmallTower {
  /// A model that the tests have.
  enum Source: CaseIterable {
    case openAI, openCLIP, huggingFace, eva02, timm, demo

    func checkpoint() throws -> Checkpoint {
      switch self {
      case .openAI: try GoldenTests.Golden.openAI.checkpoint()
      case .openCLIP: try GoldenTests.Golden.openCLIP.checkpoint()
      case .huggingFace: try GoldenTests.Golden.huggingFace.checkpoint()
      case .eva02: try GoldenTests.Golden.eva02.checkpoint()
      case .timm: try GoldenTests.Golden.timm.checkpoint()
      case .demo: try CheckpointImporter.read(path: DemoModel.path("model.safetensors"))
      }
    }
  }

  let architecture: Architecture
  let modes: [DenseMode]
  let pool: WorkerPool
  let kernels: Kernels
  private let input: InputSize
  private let pixels: [Float]
  private let float: FloatWeights
  private let int8: Int8Weights

  /// A picture of 7 by 10 patches: rows for two blocks of a thread, and no multiple of any tile.
  init(_ source: some WeightSource, threads: Int, kernels: Kernels? = nil) throws {
    let kernels = try kernels ?? .chosen()
    let architecture = source.architecture
    let patch = architecture.vision.patchSize
    let modes = DenseMode.modes(of: architecture.family)
    let input = InputSize(height: 7 * patch, width: 10 * patch)
    let pool = try WorkerPool(threads: threads)
    let everything = try modes.map {
      try Plan.vision(
        architecture, input: input, mode: $0, outputs: Set(VisionOutput.allCases))
    }
    float = try FloatWeights(source, for: everything, pool: pool)
    int8 = try Int8Weights(source, for: everything, pool: pool, kernels: kernels)
    pixels = GoldenPicture.pixels(height: input.height, width: input.width, seed: 7)
    (self.architecture, self.modes, self.input) = (architecture, modes, input)
    (self.pool, self.kernels) = (pool, kernels)
  }

  /// Every set of outputs that can be asked for.
  static let outputSets: [Set<VisionOutput>] = (1..<16).map { bits in
    Set(VisionOutput.allCases.enumerated().filter { bits >> $0.offset & 1 == 1 }.map(\.element))
  }

  func plan(_ mode: DenseMode, _ outputs: Set<VisionOutput>) throws -> Plan {
    try .vision(architecture, input: input, mode: mode, outputs: outputs)
  }

  /// A plan for those who observe.
  func observation(_ modes: [DenseMode]) throws -> Plan {
    try .observation(architecture, input: input, modes: modes)
  }

  func engine(
    _ plan: Plan, int8 isInt8: Bool, checks: MemoryChecks? = nil,
    places: ((inout SlotPlaces) -> Void)? = nil
  ) throws -> any VisionEngine {
    guard isInt8 else {
      return try FloatEngine(
        plan: plan, weights: float, pool: pool, kernels: kernels, duty: FloatDuty(),
        checks: checks)
    }
    var changed = SlotPlaces(plan, LayerPrecision(plan, int8))
    places?(&changed)
    return try Int8Engine(
      plan: plan, weights: int8, pool: pool, kernels: kernels, checks: checks,
      places: places == nil ? nil : changed)
  }

  /// Runs an engine on a picture and returns what its plan computes.
  @discardableResult func run(
    _ engine: any VisionEngine, observes: Bool = false
  ) throws -> [VisionOutput: [Float]] {
    try pixels.withUnsafeBufferPointer { pixels in
      if observes {
        try engine.run(pixels: pixels) { _ = engine.rows(madeBy: $0) }
      } else {
        try engine.run(pixels: pixels)
      }
    }
    var outputs: [VisionOutput: [Float]] = [:]
    for output in VisionOutput.allCases where engine.plan.slots.contains(output.slot) {
      outputs[output] = engine.output(output.slot)
    }
    return outputs
  }
}
