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
    #expect(auto.tower.layers.layers[last]?.input == .perRow(bits: 15))
    let layer = try #require(
      auto.record.layers.first { $0.name == "vision.block[2].attention.output" })
    #expect(layer.inputBits == 15 && layer.method == "per row")
  }

  /// Where that does not do, other products are tried, and kept if that loses much less.
  @Test func wideProductsAreTriedAndRecorded() throws {
    var kept = 0
    for seed in 1...5 as ClosedRange<UInt64> {
      let model = RandomModel(.clip, seed: seed)
      let auto = try calibrate(model, CalibrationOptions())
      let last = try #require(auto.record.ladder.last)
      let quantization = auto.tower.layers
      let attention = quantization.attention.reduce(0) {
        $0 + ($1.scoreBits > 8 ? 1 : 0) + ($1.valueBits > 8 ? 1 : 0)
      }
      let groups = model.architecture.inputGroups
      let wide = groups.filter { quantization.layers[$0.weights[0]]?.input.bits == 15 }
      guard last.isChosen, last.name.hasSuffix("wide products") else {
        #expect(attention == 0 && wide.count <= 1)
        continue
      }
      kept += 1
      #expect(attention + wide.count > 1)
      #expect(last.name == "+ \(attention + wide.count) wide products")
      // A quarter of the tower's multiply-adds, and the projection that is tried before.
      let shapes = Dictionary(
        uniqueKeysWithValues: model.architecture.tensors.map { ($0.role, $0.shape.reduce(1, *)) })
      func cost(_ groups: [InputGroup]) -> Int {
        groups.flatMap(\.weights).reduce(0) { $0 + (shapes[$1] ?? 0) }
      }
      let (width, rows) = (32, 31)
      let all = cost(groups) + 2 * 3 * rows * width
      #expect(4 * (cost(wide) + attention * rows * width / 2) <= all + 4 * width * width)
    }
    #expect(kept > 0)
  }

  /// For speed attention and layers, inputs and weights together, have 7 bits where the bars allow it.
  @Test func speedTakesSevenBitsWithinItsBars() throws {
    var slim = 0
    for seed in 1...3 as ClosedRange<UInt64> {
      let model = RandomModel(.eva02, seed: seed)
      let fast = try calibrate(model, CalibrationOptions(prefer: .speed))
      #expect(fast.record.ladder.contains { $0.name == "+ 7 bits for attention" })
      let quantization = fast.tower.layers
      let chosen = try #require(fast.record.ladder.first { $0.isChosen })
      let layers = quantization.layers.values.filter { $0.weightBits == 7 }
      func isNarrow(_ layer: Quantization.Layer) -> Bool {
        layer.input.bits == 7 || layer.input.bits == 14
      }
      #expect(layers.allSatisfy(isNarrow))
      // Inputs of 7 bits beside weights of 8 are those that a rung of its own says.
      let inputsAlone = model.architecture.inputGroups.count { group in
        quantization.layers[group.weights[0]].map { $0.weightBits == 8 && isNarrow($0) } ?? false
      }
      let rung = fast.record.ladder.first { $0.name.hasPrefix("+ 7 bits for the inputs") }
      #expect(
        rung?.name
          == (inputsAlone == 0 ? nil : "+ 7 bits for the inputs of \(inputsAlone) more"))
      let isSlim = quantization.attention.contains { $0.scoreBits == 7 }
      if isSlim || !layers.isEmpty {
        #expect(chosen.cosine >= QualityBars.fast.cosine)
        #expect(chosen.centredCosine >= QualityBars.fast.centredCosine)
      }
      if isSlim { slim += 1 }
    }
    #expect(slim > 0)
  }

  /// Weights of pairs that fit 16 bits unless fidelity is all that counts.
  @Test func preferencesDecideAboutPairs() throws {
    for (prefer, keeps) in [(CalibrationOptions.Preference.balance, true), (.fidelity, false)] {
      for rounding in Recipe.Rounding.allCases {
        let options = CalibrationOptions(method: .perRow, rounding: rounding, prefer: prefer)
        let matrices = try calibrate(RandomModel(.eva02), options).tower.matrices
        #expect(matrices.values.allSatisfy(\.keepsToPairLimit) == keeps)
      }
    }
  }

  @Test func aMethodThatAUserChoseStaysAsItIs() throws {
    let fixed = try calibrate(RandomModel(.clip), CalibrationOptions(method: .perRow))
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
