import DeCLIP
import Foundation
import Runtime
import Testing
import Vision

@Suite struct ComparisonTests {
  private let pool: WorkerPool
  private let model: DeCLIP.Model

  init() throws {
    pool = try WorkerPool(threads: 2)
    model = try DemoModel.open()
  }

  private func encoder(_ engine: EngineKind, mode: DenseMode = .qq) throws -> ImageEncoder {
    try ImageEncoder(model, mode: mode, outputs: [.dense], engine: engine, pool: pool)
  }

  private func compare(
    _ a: EngineKind, _ b: EngineKind, mode: DenseMode = .qq, scenes: [String] = ["demo.png"]
  ) throws -> Comparison {
    let comparison = try Comparison(
      reference: encoder(a, mode: mode), other: encoder(b, mode: mode))
    for scene in scenes {
      let (picture, geometry) = try DemoModel.scene(scene, size: 160)
      try comparison.add(picture, geometry: geometry)
    }
    return comparison
  }

  @Test(arguments: [DenseMode.qq, .all, .vanilla]) func aWalkEqualsItself(mode: DenseMode) throws {
    let comparison = try compare(.float, .float, mode: mode)
    #expect(!comparison.steps.isEmpty)
    for step in comparison.steps {
      #expect(step.difference?.ratio == .infinity, "\(step.step.name)")
    }
    #expect(comparison.features.ratio == .infinity)
    #expect(comparison.features.rows == 100)
  }

  /// The features' figures are those of features computed without any observer.
  @Test func int8LosesWhatItsFeaturesLose() throws {
    let scenes = ["demo.png", "scene01.png"]
    let comparison = try compare(.float, .int8, scenes: scenes)
    var expected = RowDifference()
    let (float, int8) = (try encoder(.float), try encoder(.int8))
    for scene in scenes {
      let (picture, geometry) = try DemoModel.scene(scene, size: 160)
      let a = try float.features(of: picture, geometry: geometry).outputs[.dense] ?? []
      let b = try int8.features(of: picture, geometry: geometry).outputs[.dense] ?? []
      expected.add(reference: a, other: b, columns: 128)
    }
    #expect(comparison.pictures == 2 && comparison.features.rows == 200)
    #expect(comparison.features.ratio == expected.ratio)
    #expect(comparison.features.centredCosine == expected.centredCosine)
    #expect(comparison.steps.last?.difference?.ratio == expected.ratio)
    #expect((20..<60).contains(expected.ratio))
  }

  /// Every step is compared but those that int8 computes within others, and a step's loss is told
  /// from what it read.
  @Test func stepsAreComparedWhereBothHaveThem() throws {
    let comparison = try compare(.float, .int8)
    let steps = comparison.steps
    for (index, step) in steps.enumerated() {
      guard let difference = step.difference else {
        #expect(["rotate query", "rotate key", "mlp.gate * up"].contains(step.step.name))
        continue
      }
      #expect((10..<120).contains(difference.ratio), "step \(index), \(step.step.name)")
      #expect(difference.cosine > 0.95, "step \(index), \(step.step.name)")
      #expect((step.loss == nil) == (index == 0), "step \(index), \(step.step.name)")
    }
    // The first norm reads what the patch embedding made.
    let (embedding, norm) = (steps[0].difference?.ratio ?? 0, steps[1].difference?.ratio ?? 0)
    #expect(steps[1].loss == embedding - norm)
    // A gate that was not compared stands for what it read.
    let hidden = try #require(steps.firstIndex { $0.step.name == "mlp.norm" })
    let gate = steps[hidden - 1]
    #expect(steps[hidden].inputRatio == (gate.difference?.ratio ?? gate.inputRatio))
  }

  @Test func differentModesAndModelsAreRefused() throws {
    do throws(DeclipError) {
      _ = try Comparison(
        reference: try ImageEncoder(model, mode: .qq, outputs: [.dense], pool: pool),
        other: try ImageEncoder(model, mode: .kk, outputs: [.dense], pool: pool))
      Issue.record("modes were compared")
    } catch {
      #expect(error.description == "only dense features in the same mode can be compared")
    }
  }
}
