import Importers
import Model
import Testing

@testable import Runtime

/// Nothing reads memory that nobody wrote, and who does is found.
@Suite struct MemoryChecksTests {
  /// Runs a plan with checks, which change nothing.
  private func expectNothing(
    _ tower: SmallTower, _ plan: Plan, int8 isInt8: Bool, observes: Bool = false
  ) throws {
    let checks = MemoryChecks()
    let engine = try tower.engine(plan, int8: isInt8, checks: checks)
    let expected = try tower.run(tower.engine(plan, int8: isInt8))
    let found = try tower.run(engine, observes: observes)
    #expect(found == expected, "int8 \(isInt8) \(plan.slots.filter(\.isOutput))")
    #expect(checks.findings == [], "int8 \(isInt8) \(plan.slots.filter(\.isOutput))")
  }

  private func expectNothing(
    _ tower: SmallTower, engines: [Bool], outputSets: [Set<VisionOutput>]
  ) throws {
    for isInt8 in engines {
      for mode in tower.modes {
        for outputs in outputSets {
          try expectNothing(tower, tower.plan(mode, outputs), int8: isInt8)
        }
        try expectNothing(
          tower, tower.plan(mode, Set(VisionOutput.allCases)), int8: isInt8, observes: true)
      }
      for modes in tower.modes.map({ [$0] }) + [tower.modes.filter { $0 != .vanilla }] {
        let plan = try tower.observation(modes.filter { $0 != .vanilla })
        for observes in [false, true] {
          try expectNothing(tower, plan, int8: isInt8, observes: observes)
        }
      }
    }
  }

  /// One thread, which takes several blocks of rows into the same memory.
  @Test(arguments: SmallTower.Source.allCases)
  func plansReadWhatTheyWrote(source: SmallTower.Source) throws {
    try expectNothing(
      SmallTower(source.checkpoint(), threads: 1), engines: [false, true],
      outputSets: SmallTower.outputSets)
  }

  /// The last block is the first too, so that no other's attention reads its values.
  @Test func towersOfOneBlockReadWhatTheyWrote() throws {
    for threads in [1, 3] {
      try expectNothing(
        SmallTower(oneBlock(), threads: threads), engines: [false, true],
        outputSets: SmallTower.outputSets)
    }
  }

  private func oneBlock() throws -> Checkpoint {
    var checkpoint = try SmallTower.Source.eva02.checkpoint()
    checkpoint.architecture.vision.transformer.layers = 1
    return checkpoint
  }

  /// Kernels pad what they read themselves, for heads of 64 and of 32.
  @Test(arguments: [SmallTower.Source.eva02, .huggingFace])
  func everyInstructionSetReadsWhatItWrote(source: SmallTower.Source) throws {
    let checkpoint = try source.checkpoint()
    for kernels in Kernels.available {
      try expectNothing(
        SmallTower(checkpoint, threads: 2, kernels: kernels), engines: [true],
        outputSets: [[.dense, .image]])
    }
  }

  /// Layers in float between others move slots from the memory of blocks to that of all threads.
  @Test(
    arguments: [SmallTower.Source.eva02, .openAI],
    [Quantization.Input.perRow(bits: 7), .perTensor(scale: 0.04, zeroPoint: 120, bits: 8)])
  func quantizedModelsReadWhatTheyWrote(
    source: SmallTower.Source, input: Quantization.Input
  ) throws {
    let checkpoint = try source.checkpoint()
    let isFloat: [(TensorRole) -> Bool] = [
      { _ in false },
      { "\($0)".contains("key") },
      { "\($0)".contains("value") || "\($0)".contains("gate") },
      { "\($0)".contains("attention") || "\($0)".contains("up") },
      { "\($0)".contains("query") || "\($0)".contains("down") },
    ]
    func expectNothing(_ checkpoint: Checkpoint) throws {
      try self.expectNothing(
        SmallTower(checkpoint, threads: 3), engines: [true],
        outputSets: [[.dense], [.image], [.dense, .image], Set(VisionOutput.allCases)])
    }
    for isFloat in isFloat {
      let quantized = try checkpoint.quantized { role in
        role.tower == .vision && !isFloat(role) ? .init(weightBits: 8, input: input) : nil
      }
      try expectNothing(quantized)
    }
    let wide = try checkpoint.quantized { role in
      role.tower == .vision && role.canReadWideRows
        ? .init(weightBits: 8, input: .perRow(bits: 15)) : nil
    }
    try expectNothing(wide)
  }

  /// Texts of several lengths, in fewer rows than the plan has.
  @Test(arguments: [GoldenTests.Golden.openAI, .huggingFace, .eva02])
  func textPlansReadWhatTheyWrote(golden: GoldenTests.Golden) throws {
    let checkpoint = try golden.checkpoint()
    let pool = try WorkerPool(threads: 2)
    let plan = try Plan.text(checkpoint.architecture, rows: 40)
    let checks = MemoryChecks()
    let engine = try FloatEngine(
      plan: plan, weights: FloatWeights(checkpoint, for: [plan], pool: pool), pool: pool,
      kernels: .chosen(), duty: FloatDuty(), checks: checks)
    for lengths in [[3, 7, 1], [16, 16], [2]] {
      try engine.run(texts: lengths.map { (0..<Int32($0)).map { $0 + 1 } }[...])
      let isFinite = engine.output(.embedding).allSatisfy(\.isFinite)
      #expect(isFinite)
    }
    #expect(checks.findings == [])
  }
}

// MARK: - What checks find

extension MemoryChecksTests {
  private func firstFinding(
    _ tower: SmallTower, _ plan: Plan, int8 isInt8: Bool,
    places: ((inout SlotPlaces) -> Void)? = nil
  ) throws -> String? {
    let checks = MemoryChecks()
    try tower.run(tower.engine(plan, int8: isInt8, checks: checks, places: places))
    return checks.findings.first?.description
  }

  /// A step reads what the plan has nobody write.
  @Test(arguments: [
    (false, "step 5, block 0, rotate key: reads what nobody wrote in key"),
    (true, "step 6, block 0, attend q k: reads what nobody wrote in key"),
  ])
  func missingStepsAreFound(isInt8: Bool, expected: String) throws {
    let tower = try SmallTower(SmallTower.Source.eva02.checkpoint(), threads: 2)
    let whole = try tower.plan(.vanilla, [.dense])
    let plan = Plan(
      tower: whole.tower, transformer: whole.transformer, grid: whole.grid, rows: whole.rows,
      patchSize: whole.patchSize, embeddingSize: whole.embeddingSize,
      steps: whole.steps.filter { $0.block != 0 || $0.scoreSlot != .key })
    let found = try firstFinding(tower, plan, int8: isInt8)
    #expect(found == expected)
  }

  /// Queries that stand as words alone are not there for those who read floats.
  @Test(
    arguments: [
      (.qq, [.dense, .image], "block 4, attend q q: reads what nobody wrote in query"),
      (.kk, [.dense, .image], "block 4, attend k k: reads what nobody wrote in key"),
      (.qq, [.context, .image], "block 4, copy to context: reads what nobody wrote in query"),
      (.vanilla, [.dense, .context], "block 4, copy to context: reads what nobody wrote in query"),
      (.vanilla, [.dense, .content], nil),
    ] as [(DenseMode, Set<VisionOutput>, String?)])
  func queriesThatAreWordsAloneAreFound(
    mode: DenseMode, outputs: Set<VisionOutput>, expected: String?
  ) throws {
    let tower = try SmallTower(SmallTower.Source.demo.checkpoint(), threads: 2)
    let last = tower.architecture.vision.transformer.layers - 1
    let found = try firstFinding(tower, tower.plan(mode, outputs), int8: true) {
      $0.quantizingBlocks.insert(last)
    }
    #expect(found.map { String($0.drop { $0 != "b" }) } == expected)
  }

  /// A slot without a place in the memory of all threads is refused to those who read it there.
  @Test func slotsWithoutAPlaceAreRefused() throws {
    let tower = try SmallTower(SmallTower.Source.demo.checkpoint(), threads: 2)
    let plan = try tower.plan(.qq, [.dense, .image])
    #expect {
      try tower.engine(plan, int8: true) { $0.shared.remove(.query) }
    } throws: {
      "\($0)" == "slot query was not placed"
    }
  }

  /// What a thread made for some rows is gone when it has taken others.
  @Test(arguments: [1, 3]) func rowsOfOtherBlocksAreFound(threads: Int) throws {
    let tower = try SmallTower(oneBlock(), threads: threads)
    let plan = try tower.plan(.maskclip, [.dense, .context])
    let found = try firstFinding(tower, plan, int8: true) { $0.shared.remove(.value) }
    #expect(found == "step 5, block 0, attention.norm: reads what nobody wrote in value")
  }
}
