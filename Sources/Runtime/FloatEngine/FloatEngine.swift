import CKernels
import Glibc
import Model

/// Walks a plan in float32: with OpenBLAS the reference that the other engines are measured by.
///
/// Results are the same for any number of threads. Texts, and what the int8 engine leaves to this
/// one, are multiplied by the kernels' own product, and so the same on every processor.
///
/// All memory is placed when the engine is made; running allocates nothing. An engine is used by
/// one thread at a time; several engines may share weights and a pool used in turn.
public final class FloatEngine {
  /// The plan that the engine walks.
  public let plan: Plan
  /// Nanoseconds that each step of the last run took.
  public private(set) var durations: [UInt64]

  let pool: WorkerPool
  let kernels: declip_float_kernels
  let epsilon: Float
  /// What multiplies in each step.
  private let stepProducts: [FloatProducts]
  private let weights: FloatWeights
  let arena: AlignedMemory
  let layout: ArenaLayout
  /// What of the plan is computed here.
  let duty: FloatDuty
  /// Who looks for reads of memory that nobody wrote; nil but for tests.
  let checks: MemoryChecks?
  /// When the contents of slots are needed, for checks; empty without them.
  let lifetimes: [Slot: [ClosedRange<Int>]]
  /// The steps that this engine computes, bound to memory; nil for those it leaves to another.
  private var operations: [FloatOperation?] = []
  private var current = 0

  /// The positions of this plan's grid or context, `[rows, width]`.
  var positions: [Float] = []
  /// Cosines and sines of rotary positions, `[patches, headSize / 2]`.
  var rotary: (cosine: [Float], sine: [Float]) = ([], [])

  /// The input of the current run.
  var pixels: UnsafePointer<Float>?
  var inputWidth = 0
  var packedTexts: PackedTexts

  /// The rows of attention scores that a thread works on at a time.
  static let scoreRows = 192

  /// Places a plan in memory and binds its steps to weights.
  ///
  /// Throws `internal` where weights of the plan were not loaded or memory is refused.
  public convenience init(
    plan: Plan, weights: FloatWeights, pool: WorkerPool, kernels: Kernels
  ) throws(DeclipError) {
    try self.init(
      plan: plan, weights: weights, pool: pool, kernels: kernels, duty: FloatDuty(), checks: nil)
  }

  /// Places the part of a plan that is this engine's duty.
  init(
    plan: Plan, weights: FloatWeights, pool: WorkerPool, kernels: Kernels, duty: FloatDuty,
    checks: MemoryChecks?
  ) throws(DeclipError) {
    self.plan = plan
    self.duty = duty
    self.checks = checks
    lifetimes = checks == nil ? [:] : plan.lifetimes
    self.weights = weights
    self.pool = pool
    self.kernels = kernels.floats
    epsilon = plan.transformer.layerNormEpsilon
    durations = Array(repeating: 0, count: plan.steps.count)
    packedTexts = PackedTexts(capacity: plan.tower == .text ? plan.rows : 0)
    let threads = pool.threads
    // Pictures in int8 are compared with texts in float, and the answer is one for all processors.
    // The last block computes as many rows as the outputs need, and OpenBLAS's sums depend on that.
    let last = plan.steps.firstIndex { $0.block == plan.transformer.layers - 1 } ?? 0
    stepProducts = plan.steps.indices.map {
      plan.tower == .text || $0 >= last ? .fixedOrder : duty.products
    }
    let computesAttention = plan.steps.contains {
      $0.kind == .attention && duty.share($0) == .all
    }
    guard
      let layout = ArenaLayout(
        plan, phases: duty.phases,
        byteCount: { slot in
          switch slot {
          case _ where !duty.places(slot): 0
          case .scores where !computesAttention: 0
          case .scores: Tensor.byteCount(of: [threads, Self.scoreRows, plan.rows], .float32)
          default: Tensor.byteCount(of: [plan.rows, plan.width(of: slot)], .float32)
          }
        })
    else { throw DeclipError(.usage, "the input is too large", remedy: "use a smaller --size") }
    self.layout = layout
    arena = try AlignedMemory(count: layout.size)
    try placePositions()
    for step in plan.steps { operations.append(try bind(step, duty.share(step))) }
  }

  /// The bytes of memory that the plan's buffers take.
  public var arenaSize: Int { layout.size }

  /// The rows of an output of the last run, row-major, `plan.width(of:)` columns each.
  ///
  /// Empty where the plan does not compute the output.
  public func output(_ slot: Slot) -> [Float] {
    guard slot.isOutput, let offset = layout.offsets[slot] else { return [] }
    let rows =
      switch slot {
      case .embedding: plan.tower == .text ? packedTexts.count : 1
      default: plan.rows - 1
      }
    return Array(
      UnsafeBufferPointer(start: arena.floats(at: offset), count: rows * plan.width(of: slot)))
  }

  /// Runs a vision plan on `[3, height, width]` normalised pixels of the plan's size.
  ///
  /// Throws `internal` where the number of pixels is another, or the plan is one for text.
  public func run(pixels: UnsafeBufferPointer<Float>) throws(DeclipError) {
    try withPixels(pixels) { walk(perform) }
  }

  /// The same, calling `observe` with the number of every step once it is done.
  public func run(
    pixels: UnsafeBufferPointer<Float>, observe: (_ step: Int) -> Void
  ) throws(DeclipError) {
    try withPixels(pixels) {
      walk { step in
        perform(step)
        observe(step)
      }
    }
  }

  /// The rows that a step of the run in progress has just made, row-major, `plan.width(of:)` of its
  /// target columns each: all rows of the step's row set.
  public func rows(madeBy step: Int) -> [Float]? {
    let step = plan.steps[step]
    guard let slot = step.target else { return nil }
    return withRows(of: slot, step.rows) { Array($0) }
  }

  /// Calls `body` with rows of a slot as they stand, row-major, `plan.width(of: slot)` columns
  /// each; nil where the plan does not use the slot.
  public func withRows<Result>(
    of slot: Slot, _ rows: RowSet, _ body: (UnsafeBufferPointer<Float>) -> Result
  ) -> Result? {
    guard let matrix = try? matrix(slot) else { return nil }
    let range = range(rows)
    let first = max(range.lowerBound, matrix.firstRow)
    return body(
      UnsafeBufferPointer(
        start: matrix.row(first), count: (range.upperBound - first) * matrix.stride))
  }

  /// Calls `body` with the pixels in place of the input.
  func withPixels(
    _ pixels: UnsafeBufferPointer<Float>, _ body: () -> Void
  ) throws(DeclipError) {
    guard let grid = plan.grid, let patchSize = plan.patchSize, let base = pixels.baseAddress,
      pixels.count == grid.count * plan.width(of: .patches)
    else {
      throw DeclipError(.internal, "\(pixels.count) pixel values do not fit the plan's input")
    }
    self.pixels = base
    inputWidth = grid.columns * patchSize
    body()
    self.pixels = nil
  }

  /// Runs a text plan on token ids, each text from its start to its end token.
  ///
  /// All texts together must not have more tokens than the plan has rows, and each no more than
  /// the model's context. Throws `internal` otherwise, or where an id is out of range.
  public func run(texts: ArraySlice<[Int32]>) throws(DeclipError) {
    guard let tower = weights.architecture.text, plan.tower == .text,
      packedTexts.pack(
        texts, contextLength: tower.contextLength, vocabularySize: tower.vocabularySize)
    else { throw DeclipError(.internal, "the texts do not fit the plan's input") }
    walk(perform)
  }

  private func walk(_ perform: (Int) -> Void) {
    eraseArena()
    for index in operations.indices {
      eraseContents(beginningIn: index..<index + 1)
      let start = clock_gettime_nsec()
      perform(index)
      durations[index] = clock_gettime_nsec() - start
      eraseContents(endingIn: index..<index + 1)
    }
  }

  /// What multiplies in the current step.
  var products: FloatProducts { stepProducts[current] }

  /// Does one step, if it is one of this engine's.
  func perform(_ index: Int) {
    guard let operation = operations[index] else { return }
    checkReads(ofStep: index)
    current = index
    pool.run(self, jobs: jobs(of: operation))
    checkResult(ofStep: index)
  }

  private func placePositions() throws(DeclipError) {
    let table = weights.optionalPointer(.positions(plan.tower))
    guard let table else { throw DeclipError(.internal, "positions were not loaded") }
    let width = plan.transformer.width
    guard let grid = plan.grid else {
      let rows = weights.architecture.text?.contextLength ?? 0
      positions = Array(UnsafeBufferPointer(start: table, count: rows * width))
      return
    }
    let vision = weights.architecture.vision
    let patches = UnsafeBufferPointer(start: table + width, count: vision.nativeGrid.count * width)
    positions =
      Array(UnsafeBufferPointer(start: table, count: width))
      + Positions.resized(Array(patches), from: vision.nativeGrid, to: grid, width: width)
    if let constants = vision.rotary {
      rotary = Positions.rotaryTables(
        constants, grid: grid, headSize: plan.transformer.headSize)
    }
  }
}

extension FloatEngine: ParallelTask {
  /// Does one job of the current step; called by the pool.
  public func run(job: Int, worker: Int) {
    guard let operation = operations[current] else { return }
    let parts = jobs(of: operation)
    switch operation {
    case .embedPatches(let layer, let patches):
      embedPatches(layer, patches: patches, job: job, of: parts)
    case .embedTokens(let layer): embedTokens(layer, job: job, of: parts)
    case .layerNorm(let layer): layerNorm(layer, job: job, of: parts)
    case .linear(let layer): linear(layer, job: job, of: parts)
    case .gatedLinear(let layer): gatedLinear(layer, job: job, of: parts)
    case .rotate(let target): rotate(target, job: job, of: parts)
    case .attend(let attention): attend(attention, job: job, worker: worker)
    case .copy(let source, let target, let rows):
      copy(source, target, rows: rows, job: job, of: parts)
    case .gatherEnds(let source, let target): gatherEnds(source, target, job: job, of: parts)
    }
  }

  private func jobs(of operation: FloatOperation) -> Int {
    switch operation {
    case .embedPatches: products.parts(rows: plan.rows - 1, threads: pool.threads)
    case .linear(let layer): products.parts(columns: layer.outputs, threads: pool.threads)
    case .gatedLinear(let layer):
      products.parts(columns: layer.gate.outputs, threads: pool.threads)
    case .attend(let attention): attentionJobs(attention)
    default: pool.threads == 1 ? 1 : pool.threads * 4
    }
  }
}

extension FloatEngine {
  /// The rows that a set names in the current run.
  func range(_ rows: RowSet) -> Range<Int> {
    let active = plan.tower == .text ? packedTexts.rows : plan.rows
    return switch rows {
    case .all: 0..<active
    case .classToken: 0..<1
    case .patches: 1..<active
    case .texts: 0..<packedTexts.count
    }
  }

  /// The rows of a slot.
  func matrix(_ slot: Slot) throws(DeclipError) -> FloatMatrix {
    guard let offset = layout.offsets[slot] else {
      throw DeclipError(.internal, "slot \(slot) was not placed")
    }
    return FloatMatrix(
      base: arena.floats(at: offset), stride: plan.width(of: slot),
      firstRow: slot.holdsPatchesOnly ? 1 : 0)
  }

  private func bind(
    _ step: Step, _ share: FloatDuty.Share
  ) throws(DeclipError) -> FloatOperation? {
    switch (share, step.operation) {
    case (.all, _): return try bind(step)
    case (.gate, .gatedLinear(let source, let target)):
      return .linear(try product(.block(step.block ?? 0, .gate), source, target, step.rows))
    case (.up, .gatedLinear(let source, _)):
      return .linear(try product(.block(step.block ?? 0, .up), source, .gateOperand, step.rows))
    default: return nil
    }
  }

  private func bind(_ step: Step) throws(DeclipError) -> FloatOperation {
    switch step.operation {
    case .embedPatches:
      return .embedPatches(try patchEmbedding(), patches: try matrix(.patches))
    case .embedTokens:
      return .embedTokens(
        .init(table: try weights.pointer(.tokenEmbedding), tokens: try matrix(.tokens)))
    case .layerNorm(let layer, let source, let target):
      return .layerNorm(
        .init(
          gain: try weights.pointer(layer.role(plan.tower, .weight)),
          bias: try weights.pointer(layer.role(plan.tower, .bias)), source: try matrix(source),
          target: try matrix(target), columns: plan.width(of: source), rows: step.rows))
    case .linear(let layer, let source, let target, let activation, let accumulates):
      return .linear(
        try product(
          layer, source, target, step.rows, activation: activation, accumulates: accumulates))
    case .gatedLinear(let source, let target):
      let block = step.block ?? 0
      return .gatedLinear(
        .init(
          gate: try product(.block(block, .gate), source, target, step.rows),
          up: try product(.block(block, .up), source, .gateOperand, step.rows)))
    case .rotate(let slot): return .rotate(try matrix(slot))
    case .attend(let weights, let target):
      var attention = FloatAttention(
        products: [], isOneSoftmax: false, isCausal: plan.tower == .text,
        value: try matrix(.value), target: try matrix(target), scores: try matrix(.scores),
        rows: step.rows)
      switch weights {
      case .ordinary:
        let scale = 1 / Float(plan.transformer.headSize).squareRoot()
        attention.products = [(try matrix(.query), try matrix(.key), scale)]
      case .sumOfSoftmax(let slots, let scale):
        for slot in slots {
          attention.products.append((try matrix(slot), try matrix(slot), scale))
        }
      case .softmaxOfSum(let slots, let scale):
        attention.isOneSoftmax = true
        for slot in slots {
          attention.products.append((try matrix(slot), try matrix(slot), scale))
        }
      }
      return .attend(attention)
    case .copy(let source, let target):
      return .copy(from: try matrix(source), to: try matrix(target), step.rows)
    case .gatherEnds(let source, let target):
      return .gatherEnds(from: try matrix(source), to: try matrix(target))
    }
  }

  /// The operands of the patch embedding.
  func patchEmbedding() throws(DeclipError) -> FloatPatchEmbedding {
    FloatPatchEmbedding(
      weight: weights.optionalPointer(.patchEmbedding(.weight)),
      bias: weights.optionalPointer(.patchEmbedding(.bias)),
      classToken: try weights.pointer(.classToken), tokens: try matrix(.tokens))
  }

  private func product(
    _ layer: Step.Layer, _ source: Slot, _ target: Slot, _ rows: RowSet,
    activation: Activation? = nil, accumulates: Bool = false
  ) throws(DeclipError) -> FloatProduct {
    FloatProduct(
      weight: try weights.pointer(layer.role(plan.tower, .weight)),
      bias: weights.optionalPointer(layer.role(plan.tower, .bias)), source: try matrix(source),
      target: try matrix(target), inputs: plan.width(of: source),
      outputs: plan.width(of: target), activation: activation, accumulates: accumulates,
      rows: rows)
  }
}

/// The monotonic clock in nanoseconds.
func clock_gettime_nsec() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
