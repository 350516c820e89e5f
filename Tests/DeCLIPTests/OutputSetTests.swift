import DeCLIP
import Model
import Testing

@testable import Runtime

/// What is asked for together equals what is asked for alone.
@Suite struct OutputSetTests {
  @Test(arguments: SmallTower.Source.allCases, [1, 3])
  func togetherIsWhatItIsAlone(source: SmallTower.Source, threads: Int) throws {
    let tower = try SmallTower(source.checkpoint(), threads: threads)
    for isInt8 in [false, true] {
      for mode in tower.modes {
        var alone: [VisionOutput: [Float]] = [:]
        for output in VisionOutput.allCases {
          let engine = try tower.engine(tower.plan(mode, [output]), int8: isInt8)
          alone[output] = try tower.run(engine)[output]
        }
        for outputs in SmallTower.outputSets where outputs.count > 1 {
          let together = try tower.run(tower.engine(tower.plan(mode, outputs), int8: isInt8))
          #expect(Set(together.keys) == outputs)
          for output in outputs {
            let (found, expected) = (
              try #require(together[output]), try #require(alone[output])
            )
            let isSame = found == expected
            let names = outputs.map(\.rawValue).sorted().joined(separator: ", ")
            #expect(isSame, "int8 \(isInt8), \(mode.rawValue), \(output.rawValue) of \(names)")
          }
        }
      }
    }
  }

  /// The same on every instruction set, for heads of 64 and of 32.
  @Test(arguments: [SmallTower.Source.eva02, .huggingFace])
  func everyInstructionSetAgreesWithItself(source: SmallTower.Source) throws {
    let checkpoint = try source.checkpoint()
    for kernels in Kernels.available {
      let tower = try SmallTower(checkpoint, threads: 2, kernels: kernels)
      for mode in tower.modes {
        let together = try tower.run(
          tower.engine(tower.plan(mode, Set(VisionOutput.allCases)), int8: true))
        for output in VisionOutput.allCases {
          let alone = try tower.run(tower.engine(tower.plan(mode, [output]), int8: true))
          #expect(
            alone[output] == together[output],
            "\(kernels.name), \(mode.rawValue), \(output.rawValue)")
        }
      }
    }
  }

  /// As an application asks for it.
  @Test(arguments: EngineKind.allCases) func encoderGivesTheSame(kind: EngineKind) throws {
    let model = try DemoModel.open()
    let (picture, geometry) = try DemoModel.scene("demo.png", size: 112)
    let pool = try WorkerPool(threads: 2)
    func features(_ mode: DenseMode, _ outputs: Set<VisionOutput>) throws -> Features {
      try ImageEncoder(model, mode: mode, outputs: outputs, engine: kind, pool: pool)
        .features(of: picture, geometry: geometry)
    }
    for mode in [DenseMode.qq, .csa] {
      let together = try features(mode, Set(VisionOutput.allCases)).outputs
      for output in VisionOutput.allCases {
        let alone = try features(mode, [output]).outputs
        #expect(alone[output] == together[output], "\(mode.rawValue), \(output.rawValue)")
      }
    }
  }
}
