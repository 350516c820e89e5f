import Model
import Testing

@testable import Runtime

@Suite struct PlanTests {
  private func architecture(_ family: Family) -> Architecture {
    Architecture(
      family: family, embeddingSize: 16, logitScale: 100,
      vision: VisionTower(
        transformer: Transformer(
          width: 32, layers: 3, heads: 2, hiddenSize: 48,
          activation: family == .eva02 ? .silu : .quickGELU, layerNormEpsilon: 1e-5,
          isGated: family == .eva02, hasSubLayerNorm: family == .eva02,
          hasKeyBias: family == .clip),
        patchSize: 8, nativeGrid: Grid(rows: 4, columns: 4), hasPatchBias: family == .eva02,
        hasPreNorm: family == .clip, hasProjectionBias: family == .eva02,
        rotary: family == .eva02 ? RotaryPositions(theta: 10000, extent: 16) : nil),
      text: nil, preprocessing: .clip)
  }

  private func plan(
    _ mode: DenseMode, _ outputs: Set<VisionOutput> = [.dense], family: Family = .eva02
  ) throws -> Plan {
    try Plan.vision(
      architecture(family), input: InputSize(height: 32, width: 48), mode: mode,
      outputs: outputs)
  }

  private func layers(_ plan: Plan, ofBlock block: Int) -> Set<BlockLayer> {
    Set(
      plan.roles.compactMap { role in
        if case .block(_, block, let layer, .weight) = role { layer } else { nil }
      })
  }

  @Test func decoupledBlockComputesNothingUnused() throws {
    let expected: Set<BlockLayer> = [.norm1, .query, .value, .attentionNorm, .attentionOutput]
    #expect(layers(try plan(.qq), ofBlock: 2) == expected)
    #expect(
      layers(try plan(.kk), ofBlock: 2)
        == expected.subtracting([.query]).union([.key]))
    #expect(layers(try plan(.vv), ofBlock: 2) == expected.subtracting([.query]))
    #expect(layers(try plan(.vanilla), ofBlock: 2) == Set(BlockLayer.allCases))
    #expect(layers(try plan(.qq, [.content]), ofBlock: 2) == [.norm1, .value])
    #expect(layers(try plan(.qq, [.image, .dense]), ofBlock: 2) == Set(BlockLayer.allCases))
  }

  @Test func slotsThatLiveTogetherDoNotOverlap() throws {
    for family in Family.allCases {
      for mode in DenseMode.modes(of: family) {
        for outputs: Set<VisionOutput>? in [[.dense], [.image], Set(VisionOutput.allCases), nil] {
          let size = InputSize(height: 32, width: 48)
          let plan =
            if let outputs { try self.plan(mode, outputs, family: family) } else {
              try Plan.observation(architecture(family), input: size, modes: [mode])
            }
          let sizes: (Slot) -> Int = { 4 * plan.rows * max(plan.width(of: $0), 8) }
          let layout = try #require(ArenaLayout(plan, byteCount: sizes))
          let lifetimes = plan.lifetimes
          for (index, step) in plan.steps.enumerated() {
            let live = lifetimes.filter { $0.value.contains { $0.contains(index) } }.keys
            for a in live {
              let start = try #require(layout.offsets[a])
              #expect(start % ArenaLayout.alignment == 0)
              #expect(start + sizes(a) <= layout.size)
              for b in live where a != b {
                let other = try #require(layout.offsets[b])
                #expect(
                  start + sizes(a) <= other || other + sizes(b) <= start,
                  "\(a) and \(b) at \(step.operation)")
              }
            }
          }
          let apart = lifetimes.keys.map { sizes($0) }.reduce(0, +)
          #expect(layout.size < apart)
        }
      }
    }
  }

  @Test func slotsOfNoBytesHaveNoPlace() throws {
    let plan = try plan(.qq)
    let layout = try #require(ArenaLayout(plan) { $0 == .query ? 0 : 64 * $0.rawValue + 1 })
    #expect(layout.offsets[.query] == nil)
    #expect(Set(layout.offsets.keys) == plan.slots.subtracting([.query]))
  }

  /// The rotation changes what the projection made, and attention of rows alone leaves the others.
  @Test func readersFindWhatWasMadeLast() throws {
    let plan = try plan(.qq, [.dense, .image])
    func steps(_ name: String) -> [Int] {
      plan.steps.indices.filter { plan.steps[$0].name == name && plan.steps[$0].block == 2 }
    }
    let (projection, rotation) = (steps("attention.query"), steps("rotate query"))
    #expect(plan.makers(of: .query, readBy: try #require(steps("attend q q").first)) == projection)
    #expect(plan.makers(of: .query, readBy: try #require(rotation.first)) == projection)
    #expect(plan.makers(of: .query, readBy: try #require(steps("attend q k").first)) == rotation)
    let norm = try #require(steps("attention.norm").last)
    #expect(plan.steps[norm].rows == .classToken)
    #expect(plan.makers(of: .aggregated, readBy: norm) == steps("attend q k"))
  }

  /// No step reads rows that nobody makes, or what another block left; tokens pass from block to
  /// block.
  @Test func stepsReadWhatTheirBlockMade() throws {
    for family in Family.allCases {
      for mode in DenseMode.modes(of: family) {
        for outputs: Set<VisionOutput> in [[.dense], [.dense, .image], Set(VisionOutput.allCases)] {
          let plan = try plan(mode, outputs, family: family)
          for (index, step) in plan.steps.enumerated() {
            for slot in plan.reads(step) {
              let makers = plan.makers(of: slot, readBy: index).map { plan.steps[$0] }
              let made = Set(makers.map(\.rows))
              let isWhole =
                made.contains { $0.covers(plan.rowsRead(by: step)) }
                || made == [.classToken, .patches]
              #expect(isWhole, "\(step.name) reads \(slot)")
              let isOwn = makers.allSatisfy { $0.block == step.block }
              #expect(isOwn || slot == .tokens || slot == .branch, "\(step.name) reads \(slot)")
            }
          }
        }
      }
    }
  }

  @Test func refusesSizesAndModesWithAReason() throws {
    #expect {
      try Plan.vision(
        architecture(.eva02), input: InputSize(height: 30, width: 32), mode: .qq,
        outputs: [.dense])
    } throws: { error in
      "\(error)"
        == "an input of 30x32 pixels cannot be cut into patches of 8, expected multiples of 8 "
        + "up to 32768"
    }
    #expect {
      try plan(.all, family: .clip)
    } throws: { error in
      "\(error)"
        == "mode all is not defined for clip towers, expected one of qq, kk, vv, csa, maskclip, "
        + "vanilla"
    }
  }
}
