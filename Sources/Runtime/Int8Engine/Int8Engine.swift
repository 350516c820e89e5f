import CKernels
import Model

/// Walks a vision plan with products of 8-bit integers: linear layers on unsigned bytes with a scale for
/// each row, attention on 8-bit queries, keys and values or wider ones where the model records them
/// (of a model of floats, 12-bit values), in the decoupled block, whose scores are not divided by the
/// root of the head's size, on 13-bit queries and keys and 12-bit values.
///
/// Sums are 32-bit integers without saturation, and floats are computed in one order
/// (formats/numerics.md): results are the same to the last bit on every instruction set and for every
/// number of threads. The residual stream and the head are float32; a `FloatEngine` does them in the
/// same memory, and with them the layers that a quantised model leaves in float.
/// Between two attentions threads work on blocks of rows (see `RowBlock`). Running allocates
/// nothing, unless somebody observes.
public final class Int8Engine: VisionEngine {
  /// The plan that the engine walks.
  public let plan: Plan
  /// Nanoseconds that each step of the last run took; where threads go through several steps
  /// without meeting, the time of all threads divided by their number.
  public private(set) var durations: [UInt64]
  /// The part of them that rows took to be laid out, normalised, gated and quantised apart from
  /// products, in steps outside attention.
  public private(set) var rowDurations: [UInt64]
  /// The bytes of memory that the plan's buffers take.
  public var arenaSize: Int {
    float.arenaSize + blockMemory.byteCount + scratchMemory.count + (scores?.byteCount ?? 0)
  }

  let float: FloatEngine
  let kernels: Kernels
  let pool: WorkerPool
  /// The working memory of each thread's attention.
  let scratch: AttentionScratch

  /// Who looks for reads of memory that nobody wrote; nil but for tests.
  let checks: MemoryChecks?
  let work: [Int8Work]
  let layout: RowLayout
  private let weights: Int8Weights
  private let blockMemory: RowMemory
  /// Made when somebody first observes.
  private(set) var wholeMemory: RowMemory?
  private let scratchMemory: AlignedMemory
  /// Queries and keys; nil where no block quantises them behind their projections.
  let scores: ScoreMemory?
  private let blockCount: Int

  /// Whether attention counts ticks.
  var countsTicks = false
  private var current: Task = .rows(0..<0)
  private var currentMemory: RowMemory
  /// Nanoseconds of every step, then what of them is in `rowDurations`, for each thread.
  private let clocks: AlignedMemory

  /// What the threads are doing.
  private enum Task {
    /// Steps, one after the other, for blocks of rows.
    case rows(Range<Int>)
    /// A step of attention.
    case attention(Int)
  }

  /// Places a plan in memory and binds its steps to weights.
  ///
  /// Throws `usage` for a plan that the engine cannot compute, `internal` where memory is refused.
  public convenience init(
    plan: Plan, weights: Int8Weights, pool: WorkerPool, kernels: Kernels
  ) throws(DeclipError) {
    try self.init(plan: plan, weights: weights, pool: pool, kernels: kernels, checks: nil)
  }

  /// The same for tests: with checks, and with slots in other places than their readers want.
  init(
    plan: Plan, weights: Int8Weights, pool: WorkerPool, kernels: Kernels, checks: MemoryChecks?,
    places: SlotPlaces? = nil
  ) throws(DeclipError) {
    try Self.check(plan)
    self.plan = plan
    self.checks = checks
    self.weights = weights
    self.pool = pool
    self.kernels = kernels
    let binding = try Int8Binding(plan, weights, places: places)
    layout = binding.layout
    float = try FloatEngine(
      plan: plan, weights: weights.floats, pool: pool, kernels: kernels,
      duty: FloatDuty(
        share: binding.precision.floatShare, places: { !binding.isLocal($0) },
        phases: binding.precision.phases(of: plan), products: .fixedOrder),
      checks: checks)
    scores = binding.quantizesHeads ? try ScoreMemory(plan) : nil
    work = try binding.work(float, scores)
    blockCount = RowBlock.count(rows: plan.rows, threads: pool.threads)
    blockMemory = try RowMemory(layout, threads: pool.threads)
    currentMemory = blockMemory
    let attentions = work.compactMap {
      if case .attend(let attention) = $0 { attention } else { nil }
    }
    let scratchLayout = AttentionScratch.Layout(
      plan: plan, attentions: attentions, kernels: kernels)
    scratchMemory = try AlignedMemory(count: pool.threads * scratchLayout.byteCount)
    scratch = AttentionScratch(base: scratchMemory.base, layout: scratchLayout)
    clocks = try AlignedMemory(count: pool.threads * aligned(16 * plan.steps.count))
    durations = Array(repeating: 0, count: plan.steps.count)
    rowDurations = durations
  }

  private static func check(_ plan: Plan) throws(DeclipError) {
    guard plan.tower == .vision else {
      throw DeclipError(.usage, "the int8 engine computes vision towers only")
    }
    guard plan.transformer.headSize <= Int(DECLIP_INT8_HEAD_LIMIT) else {
      throw DeclipError(
        .usage, "heads of \(plan.transformer.headSize) channels are not available in int8",
        expected: "at most \(DECLIP_INT8_HEAD_LIMIT)", remedy: "use --engine float")
    }
  }

  /// The rows of an output of the last run, row-major, `plan.width(of:)` columns each.
  public func output(_ slot: Slot) -> [Float] { float.output(slot) }

  /// Runs the plan on `[3, height, width]` normalised pixels of its size.
  ///
  /// Throws `internal` where the number of pixels is another.
  public func run(pixels: UnsafeBufferPointer<Float>) throws(DeclipError) {
    try float.withPixels(pixels) { walk() }
  }

  private func walk() {
    eraseMemory()
    var step = 0
    while step < work.count {
      let endOfRows = endOfRows(from: step)
      let steps = step..<max(endOfRows, step + 1)
      float.eraseContents(beginningIn: steps)
      if endOfRows > step {
        performRows(steps, memory: blockMemory)
      } else {
        perform(step, memory: blockMemory)
      }
      eraseContents(endingIn: steps)
      step = steps.upperBound
    }
  }

  /// The end of the steps from `step` on that work on rows.
  private func endOfRows(from step: Int) -> Int {
    var end = step
    while end < work.count, case .rows = work[end] { end += 1 }
    return end
  }

  /// Does a step that is not one on rows alone.
  private func perform(_ step: Int, memory: RowMemory) {
    let start = clock_gettime_nsec()
    switch work[step] {
    case .attend(let attention):
      checkReads(of: attention, step)
      current = .attention(step)
      pool.run(self, jobs: plan.transformer.heads)
      float.checkResult(ofStep: step)
    case .floatThenRows:
      float.perform(step)
      performRows(step..<step + 1, memory: memory)
    case .float, .rows: float.perform(step)
    }
    durations[step] = clock_gettime_nsec() - start
  }

  private func performRows(_ steps: Range<Int>, memory: RowMemory) {
    for worker in 0..<pool.threads {
      for step in steps {
        clock(worker)[step] = 0
        clock(worker)[work.count + step] = 0
      }
    }
    current = .rows(steps)
    currentMemory = memory
    pool.run(self, jobs: blockCount)
    for step in steps {
      let threads = UInt64(pool.threads)
      durations[step] = (0..<pool.threads).reduce(0) { $0 + clock($1)[step] } / threads
      rowDurations[step] =
        (0..<pool.threads).reduce(0) { $0 + clock($1)[work.count + step] } / threads
    }
  }

  private func clock(_ worker: Int) -> UnsafeMutablePointer<UInt64> {
    (clocks.base + worker * aligned(16 * plan.steps.count)).assumingMemoryBound(to: UInt64.self)
  }
}

extension Int8Engine {
  /// The multiply-adds of a step's products for each that the plan asks for: those whose operands
  /// have 7 bits, and all others, those of steps in float among them. Rows in two bytes take two.
  public func productShares(ofStep step: Int) -> (narrow: Double, other: Double) {
    var (asked, narrow, other) = (0.0, 0.0, 0.0)
    for case .multiply(let product) in work[step].rowOperations?.0 ?? [] {
      let weights = Double(product.layer.outputs * product.layer.inputs)
      if product.plane == .upper { asked += weights }
      if product.layer.range == DECLIP_INT8_U7S7 { narrow += weights } else { other += weights }
    }
    return asked == 0 ? (0, 1) : (narrow / asked, other / asked)
  }

  /// Whether a step of attention multiplies operands of 7 bits, for scores and for values.
  public func isSlim(step: Int) -> (scores: Bool, values: Bool) {
    guard case .attend(let attention) = work[step] else { return (false, false) }
    return (attention.precision.scoreBits == 7, attention.precision.valueBits == 7)
  }
}

// MARK: - Jobs

extension Int8Engine: ParallelTask {
  /// Does one job of the current steps; called by the pool.
  public func run(job: Int, worker: Int) {
    switch current {
    case .attention(let step):
      if case .attend(let attention) = work[step] { attend(attention, head: job, worker: worker) }
    case .rows(let steps):
      let rows = RowBlock.rows(ofBlock: job, count: blockCount, rows: plan.rows)
      let block = currentMemory.block(rows, worker: worker)
      let clock = clock(worker)
      var start = clock_gettime_nsec()
      eraseRows(of: block)
      for step in steps {
        guard let (operations, rows) = work[step].rowOperations else { continue }
        for operation in operations {
          checkReads(of: operation, step, rows, in: block)
          perform(operation, rows, in: block)
          checkResult(of: operation, step, rows, in: block)
          let end = clock_gettime_nsec()
          clock[step] += end - start
          if !operation.isProduct { clock[work.count + step] += end - start }
          start = end
        }
        eraseRows(of: block, endingWith: step)
      }
    }
  }
}

// MARK: - Observation

extension Int8Engine {
  /// The same, calling `observe` with the number of every step once it is done for all rows.
  ///
  /// Takes memory for the results of all steps; results are those of a run that nobody observes.
  public func run(
    pixels: UnsafeBufferPointer<Float>, observe: (_ step: Int) -> Void
  ) throws(DeclipError) {
    let memory =
      if let wholeMemory { wholeMemory } else {
        try RowMemory(layout, wholeRows: plan.rows)
      }
    wholeMemory = memory
    try float.withPixels(pixels) {
      eraseMemory()
      for step in work.indices {
        float.eraseContents(beginningIn: step..<step + 1)
        if case .rows = work[step] {
          performRows(step..<step + 1, memory: memory)
        } else {
          perform(step, memory: memory)
        }
        observe(step)
        eraseContents(endingIn: step..<step + 1)
      }
    }
  }

  /// The rows that a step of the run in progress has just made, bytes turned back into floats.
  public func rows(madeBy index: Int) -> [Float]? {
    guard let (operations, _) = work[index].rowOperations, let memory = wholeMemory else {
      return float.rows(madeBy: index)
    }
    let block = memory.block(0..<plan.rows, worker: 0)
    let rows = float.range(plan.steps[index].rows)
    switch operations.last {
    case nil: return nil
    case .layOut(_, let patches): return values(patches.matrix(in: block), rows, .patches)
    case .normalize(let step):
      return bytes(step.target, rows, columns: step.columns, in: block)
    case .quantize(let step):
      return bytes(step.target, rows, columns: step.columns, in: block)
    case .quantizeHeads(let step):
      let matrix = step.source.matrix(in: block)
      return plan.steps[index].target.map { values(matrix, rows, $0) }
    case .multiply(let product):
      let matrix = product.target.matrix(in: block)
      return plan.steps[index].target.map { values(matrix, rows, $0) }
    case .gate(let target, _, _):
      let matrix = target.matrix(in: block)
      return plan.steps[index].target.map { values(matrix, rows, $0) }
    }
  }

  private func values(_ matrix: FloatMatrix, _ rows: Range<Int>, _ slot: Slot) -> [Float] {
    var result: [Float] = []
    for token in max(rows.lowerBound, matrix.firstRow)..<rows.upperBound {
      result += UnsafeBufferPointer(start: matrix.row(token), count: plan.width(of: slot))
    }
    return result
  }

  private func bytes(
    _ source: QuantizedRows, _ rows: Range<Int>, columns: Int, in block: RowBlock
  ) -> [Float] {
    rows.flatMap { source.values(of: $0, columns: columns, in: block) }
  }
}
