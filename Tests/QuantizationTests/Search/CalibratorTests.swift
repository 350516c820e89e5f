import Model
import Runtime
import Testing

@testable import Quantization

@Suite struct CalibratorTests {
  private func calibrate(
    _ model: RandomModel, _ options: CalibrationOptions, pictures: Int = 8, threads: Int = 2
  ) throws -> Calibrator.Result {
    try Calibrator(options, pool: WorkerPool(threads: threads), kernels: .chosen())
      .run(model, pictures: RandomPictures(count: pictures))
  }

  /// What was found, without anything to do with time.
  private func isSame(_ a: Calibrator.Result, _ b: Calibrator.Result) -> Bool {
    a.record == b.record && a.tower.layers == b.tower.layers
      && a.tower.matrices.keys == b.tower.matrices.keys
      && a.tower.matrices.allSatisfy {
        $0.value.values == b.tower.matrices[$0.key]?.values
          && $0.value.scales == b.tower.matrices[$0.key]?.scales
      }
  }

  @Test(arguments: Family.allCases) func theBestRungIsKept(family: Family) throws {
    let result = try calibrate(RandomModel(family), CalibrationOptions())
    let ladder = result.record.ladder
    #expect(ladder.filter(\.isChosen).count == 1)
    #expect(
      ladder.prefix(7).map(\.name) == [
        "per tensor min-max", "per row min-max", "+ migration", "+ gptq", "+ weights mse",
        "+ bias correction", "+ per tensor mse",
      ])
    #expect(result.record.calibrationPictures == 6 && result.record.heldOutPictures == 2)
    #expect(result.record.objectives.map(\.mode) == ["qq", "csa", "vanilla"])
    #expect(result.record.objectives.allSatisfy { $0.cosine > 0.995 })
    #expect(result.record.layers.count == result.tower.matrices.count)
    #expect(result.record.layers.allSatisfy { ($0.signalToNoise ?? 0) > 25 })
    try result.record.validate()
  }

  @Test func seedsDecideAndThreadsDoNot() throws {
    let model = RandomModel(.eva02)
    let first = try calibrate(model, CalibrationOptions(seed: 3))
    #expect(isSame(first, try calibrate(model, CalibrationOptions(seed: 3))))
    #expect(!isSame(first, try calibrate(model, CalibrationOptions(seed: 4))))
  }

  /// The same function with channels that own the range: what is lost without migration comes back.
  @Test func outliersAreNoMatter() throws {
    var model = RandomModel(.eva02)
    model.outliers = 400
    let naive = try calibrate(model, CalibrationOptions(method: .perRow))
    let auto = try calibrate(model, CalibrationOptions())
    let (before, after) = (naive.record.objectives[0], auto.record.objectives[0])
    #expect(before.cosine < 0.9, "\(before.cosine)")
    #expect(after.cosine > 0.999 && after.centredCosine > 0.995, "\(after)")
    let channels = auto.record.layers.first { $0.name.hasSuffix("query") }?.input?.outlierChannels
    #expect(channels?.map(\.channel) == [3])
  }

  /// Where bytes miss the bars, the last projection reads more of them; the record says so.
  @Test(arguments: Family.allCases) func rowsAfterTheLastAttentionMayBeWide(family: Family) throws {
    let auto = try calibrate(RandomModel(family), CalibrationOptions())
    let rung = try #require(
      auto.record.ladder.firstIndex { $0.name == "+ 15 bits after the last attention" })
    let before = auto.record.ladder[..<rung].map(\.centredCosine)
    #expect(auto.record.ladder[rung].centredCosine > before.max() ?? 1)
    let last = TensorRole.block(.vision, index: 2, .attentionOutput, .weight)
    let wide = auto.tower.layers.layers.filter { $0.value.input.bits == 15 }
    #expect(Array(wide.keys) == [last])
    let layer = try #require(auto.record.layers.first { $0.inputBits == 15 })
    #expect(layer.name == "vision.block[2].attention.output" && layer.method == "per row")
  }

  /// Where bytes miss the bars, attention is tried in words; a method that a user chose stays as it is.
  @Test func wideAttentionIsTriedAndRecorded() throws {
    let model = RandomModel(.clip)
    let auto = try calibrate(model, CalibrationOptions())
    let (last, chosen) = (
      try #require(auto.record.ladder.last),
      try #require(auto.record.ladder.first { $0.isChosen })
    )
    #expect(last.name.hasPrefix("+ wide attention"))
    #expect(auto.tower.layers.attention.contains { $0 != .narrow } == last.isChosen)
    #expect(chosen.cosine >= 0.999, "\(chosen)")
    let fixed = try calibrate(model, CalibrationOptions(method: .perRow))
    #expect(fixed.record.ladder.map(\.name) == ["per row"])
    #expect(fixed.tower.layers.attention.isEmpty)
  }

  @Test func targetsThatCannotBeReachedAreRefused() throws {
    do {
      _ = try calibrate(RandomModel(.eva02), CalibrationOptions(target: 1.01))
      Issue.record("a cosine above 1 was reached")
    } catch let error as DeclipError {
      #expect(error.kind == .usage)
      #expect(error.description.hasPrefix("a mean cosine of 1.01 is out of reach"))
    }
  }

  @Test func onePictureIsTooFew() throws {
    do {
      _ = try calibrate(RandomModel(.eva02), CalibrationOptions(), pictures: 1)
      Issue.record("one picture was enough")
    } catch let error as DeclipError {
      #expect(
        error.description
          == "there is 1 picture to calibrate on, expected at least 2, better 8 to 64")
    }
  }
}
