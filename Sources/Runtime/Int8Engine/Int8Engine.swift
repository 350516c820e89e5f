import CKernels
import Model

/// What computes a vision plan.
public protocol VisionEngine: AnyObject {
  /// The plan that the engine walks.
  var plan: Plan { get }
  /// Nanoseconds that each step of the last run took.
  var durations: [UInt64] { get }
  /// The bytes of memory that the plan's buffers take.
  var arenaSize: Int { get }
  /// The rows of an output of the last run, row-major, `plan.width(of:)` columns each.
  func output(_ slot: Slot) -> [Float]
  /// Runs the plan on `[3, height, width]` normalised pixels of its size.
  func run(pixels: UnsafeBufferPointer<Float>) throws(DeclipError)
  /// The same, calling `observe` with the number of every step once it is done.
  func run(
    pixels: UnsafeBufferPointer<Float>, observe: (_ step: Int) -> Void
  ) throws(DeclipError)
  /// The rows that a step of the run in progress has just made, row-major, as floats: all rows of
  /// the step's row set. Nil where the engine computes the step within another and its result
  /// never stands in memory. For use by `observe`.
  func rows(madeBy step: Int) -> [Float]?
}

extension FloatEngine: VisionEngine {}

/// Walks a vision plan with products of 8-bit integers: linear layers on unsigned bytes with a scale for
/// each row, attention on 8-bit queries and keys and 12-bit values, in the decoupled block, whose
/// scores are not divided by the root of the head's size, on 13-bit queries and keys.
///
/// Sums are 32-bit integers without saturation, so results depend neither on the number of threads
/// nor on the instruction set beyond the rounding of floats. The residual stream and
/// the head are float32; a `FloatEngine` does them in the same memory.
/// Running allocates nothing.
public final class Int8Engine: VisionEngine {
  /// The plan that the engine walks.
  public let plan: Plan
  /// Nanoseconds that each step of the last run took.
  public var durations: [UInt64] { float.durations }
  /// The bytes of memory that the plan's buffers take.
  public var arenaSize: Int { float.arenaSize + memory.count }

  let float: FloatEngine
  let kernels: Kernels
  let pool: WorkerPool
  private let weights: Int8Weights
  private let memory: AlignedMemory
  private var operations: [Int8Operation?] = []
  private var current = 0
  /// The second half of a step that quantises first.
  private var isSecondHalf = false

  /// What activations hold: their whole range where that costs nothing, else 7 bits, for which
  /// products of bytes are exact in 16 bits.
  let range: declip_int8_range
  /// The working memory of each thread's attention.
  let scratch: AttentionScratch

  /// Places a plan in memory and binds its steps to weights.
  ///
  /// Throws `usage` for a plan that the engine cannot compute, `internal` where memory is refused.
  public init(
    plan: Plan, weights: Int8Weights, pool: WorkerPool, kernels: Kernels
  ) throws(DeclipError) {
    self.plan = plan
    self.weights = weights
    self.pool = pool
    self.kernels = kernels
    range = kernels.gemm.full_range_is_fast != 0 ? DECLIP_INT8_U8S8 : DECLIP_INT8_U7S8
    try Self.check(plan)
    float = try FloatEngine(
      plan: plan, weights: weights.floats, pool: pool, kernels: kernels, computes: Self.isFloat)
    let quantized = Self.quantizedSlots(of: plan).map { ($0, Self.rowBytes(plan.width(of: $0))) }
    var size = 0
    var offsets: [Slot: Int] = [:]
    for (slot, stride) in quantized {
      offsets[slot] = size
      size += aligned(plan.rows * stride) + aligned(plan.rows * 4)
    }
    let scratchStart = size
    let layout = AttentionScratch.Layout(plan: plan, kernels: kernels)
    size += pool.threads * layout.byteCount
    memory = try AlignedMemory(count: size)
    scratch = AttentionScratch(base: memory.base + scratchStart, layout: layout)
    var rows: [Slot: QuantizedRows] = [:]
    for (slot, stride) in quantized {
      let base = memory.base + (offsets[slot] ?? 0)
      rows[slot] = QuantizedRows(
        base: base.assumingMemoryBound(to: UInt8.self),
        scales: (base + aligned(plan.rows * stride)).assumingMemoryBound(to: Float.self),
        stride: stride)
    }
    try bind(rows)
  }

  /// The rows of an output of the last run, row-major, `plan.width(of:)` columns each.
  public func output(_ slot: Slot) -> [Float] { float.output(slot) }

  /// Runs the plan on `[3, height, width]` normalised pixels of its size.
  ///
  /// Throws `internal` where the number of pixels is another.
  public func run(pixels: UnsafeBufferPointer<Float>) throws(DeclipError) {
    try float.run(pixels: pixels, performing: perform)
  }

  /// The same, calling `observe` with the number of every step once it is done.
  public func run(
    pixels: UnsafeBufferPointer<Float>, observe: (_ step: Int) -> Void
  ) throws(DeclipError) {
    try float.run(
      pixels: pixels,
      performing: { step in
        perform(step)
        observe(step)
      })
  }

  /// The rows that a step of the run in progress has just made, bytes turned back into floats.
  public func rows(madeBy step: Int) -> [Float]? {
    switch operations[step] {
    case nil: float.rows(madeBy: step)
    case .nothing: nil
    case .normalize(let normalization):
      Array(
        float.range(plan.steps[step].rows).map {
          normalization.target.values(of: $0, columns: normalization.norm.columns, zeroPoint)
        }.joined())
    case .multiply(let products): products.count > 1 ? nil : rows(of: step)
    case .embed, .quantize, .attend: rows(of: step)
    }
  }

  /// Of a product whose nonlinearity waits for the next step nothing is to be seen.
  private func rows(of step: Int) -> [Float]? {
    if case .linear(_, _, _, .some, _) = plan.steps[step].operation { return nil }
    return float.rows(madeBy: step)
  }

  private func perform(_ index: Int) {
    current = index
    isSecondHalf = false
    switch operations[index] {
    case nil: float.perform(index)
    case .nothing: break
    case .quantize, .embed:
      pool.run(self, jobs: pool.threads)
      isSecondHalf = true
      pool.run(self, jobs: pool.threads)
    case .normalize, .multiply: pool.run(self, jobs: pool.threads)
    case .attend: pool.run(self, jobs: plan.transformer.heads)
    }
  }
}

extension Int8Engine: ParallelTask {
  /// Does one job of the current step; called by the pool.
  public func run(job: Int, worker: Int) {
    switch operations[current] {
    case nil, .nothing: break
    case .normalize(let step): normalize(step, job: job, worker: worker)
    case .quantize(let step, let product):
      if isSecondHalf {
        multiply(product, job: job)
      } else {
        quantize(step, rows: product.rows, job: job, worker: worker)
      }
    case .embed(let layer, let step, let product):
      if isSecondHalf {
        multiply(product, job: job)
      } else {
        embed(layer, step, job: job, worker: worker)
      }
    case .multiply(let products): for product in products { multiply(product, job: job) }
    case .attend(let attention): attend(attention, head: job, worker: worker)
    }
  }
}

// MARK: - Binding

extension Int8Engine {
  /// Slots whose rows are read by products as bytes.
  private static func quantizedSlots(of plan: Plan) -> [Slot] {
    let slots = plan.steps.compactMap { step -> Slot? in
      switch step.operation {
      case .embedPatches: .patches
      case .linear(let layer, let source, _, _, _) where layer.isInBlock: source
      case .gatedLinear(let source, _): source
      default: nil
      }
    }
    return Set(slots).sorted { $0.rawValue < $1.rawValue }
  }

  private static func rowBytes(_ columns: Int) -> Int {
    let multiple = Int(DECLIP_INT8_ROW_MULTIPLE)
    return (columns + multiple - 1) / multiple * multiple
  }

  private static func check(_ plan: Plan) throws(DeclipError) {
    guard plan.tower == .vision else {
      throw DeclipError(.usage, "the int8 engine computes vision towers only")
    }
    for case .attend(.softmaxOfSum, _) in plan.steps.map(\.operation) {
      throw DeclipError(
        .usage, "mode all is not available in int8", remedy: "use --engine float, or mode csa")
    }
    guard plan.transformer.headSize <= Int(DECLIP_INT8_HEAD_LIMIT) else {
      throw DeclipError(
        .usage, "heads of \(plan.transformer.headSize) channels are not available in int8",
        expected: "at most \(DECLIP_INT8_HEAD_LIMIT)", remedy: "use --engine float")
    }
  }

  /// Whether a step stays in float32: what feeds no product, and the head, a hundredth of the work
  /// that would cost most of the fidelity.
  private static func isFloat(_ step: Step) -> Bool {
    switch step.operation {
    case .embedTokens, .copy, .gatherEnds: true
    case .layerNorm(let layer, _, _), .linear(let layer, _, _, _, _): !layer.isInBlock
    case .embedPatches, .gatedLinear, .rotate, .attend: false
    }
  }

  private func bind(_ rows: [Slot: QuantizedRows]) throws(DeclipError) {
    /// Slots whose rows stand ready as bytes.
    var ready: Set<Slot> = []
    var operand: FloatMatrix?
    var activation: Activation?
    var rotated = false
    for step in plan.steps {
      guard !Self.isFloat(step) else {
        operations.append(nil)
        continue
      }
      switch step.operation {
      case .layerNorm(let layer, let source, let target):
        operations.append(
          .normalize(
            .init(
              norm: .init(
                gain: try weights.floats.pointer(layer.role(.vision, .weight)),
                bias: try weights.floats.pointer(layer.role(.vision, .bias)),
                source: try float.matrix(source), target: try float.matrix(target),
                columns: plan.width(of: source), rows: step.rows),
              operand: source == .hidden ? operand : nil, target: try quantized(target, rows))))
        if source == .hidden { operand = nil }
        ready.insert(target)
      case .linear(let layer, let source, let target, let nonlinearity, let accumulates):
        let product = try product(
          layer, quantized(source, rows), target, step.rows, accumulates: accumulates)
        if ready.contains(source) {
          operations.append(.multiply([product]))
        } else {
          operations.append(
            .quantize(
              .init(
                source: try float.matrix(source), columns: plan.width(of: source),
                operand: source == .hidden ? operand : nil,
                activation: source == .hidden ? activation : nil, target: product.source),
              then: product))
          if source == .hidden { (operand, activation) = (nil, nil) }
        }
        if target == .hidden { activation = nonlinearity }
        ready.remove(target)
      case .gatedLinear(let source, let target):
        let (block, source) = (step.block ?? 0, try quantized(source, rows))
        operations.append(
          .multiply([
            try product(.block(block, .gate), source, target, step.rows),
            try product(.block(block, .up), source, .gateOperand, step.rows),
          ]))
        operand = try float.matrix(.gateOperand)
        ready.remove(target)
      case .rotate:
        rotated = true
        operations.append(.nothing)
      case .attend(let weights, let target):
        let isOrdinary = weights == .ordinary
        operations.append(
          .attend(
            .init(
              products: try products(weights), rotates: isOrdinary && rotated,
              value: try float.matrix(.value), target: try float.matrix(target),
              rows: step.rows)))
        if isOrdinary { rotated = false }
        ready.remove(target)
      case .embedPatches:
        let (layer, target) = (try float.patchEmbedding(), try quantized(.patches, rows))
        let product = Int8Product(
          layer: try weights.matrix(.patchEmbedding(.weight)), bias: nil, source: target,
          target: try float.matrix(.tokens), accumulates: true, rows: .patches)
        operations.append(
          .embed(
            layer,
            .init(
              source: layer.patches, columns: plan.width(of: .patches), operand: nil,
              activation: nil, target: target), then: product))
      case .embedTokens, .copy, .gatherEnds: break
      }
    }
  }

  private func products(
    _ weights: AttentionWeights
  ) throws(DeclipError) -> [(left: FloatMatrix, right: FloatMatrix, scale: Float)] {
    switch weights {
    case .ordinary:
      let scale = 1 / Float(plan.transformer.headSize).squareRoot()
      return [(try float.matrix(.query), try float.matrix(.key), scale)]
    case .sumOfSoftmax(let slots, let scale), .softmaxOfSum(let slots, let scale):
      var products: [(left: FloatMatrix, right: FloatMatrix, scale: Float)] = []
      for slot in slots {
        products.append((try float.matrix(slot), try float.matrix(slot), scale))
      }
      return products
    }
  }

  private func quantized(
    _ slot: Slot, _ rows: [Slot: QuantizedRows]
  ) throws(DeclipError) -> QuantizedRows {
    guard let rows = rows[slot] else {
      throw DeclipError(.internal, "slot \(slot) was not placed for bytes")
    }
    return rows
  }

  private func product(
    _ layer: Step.Layer, _ source: QuantizedRows, _ target: Slot, _ rows: RowSet,
    accumulates: Bool = false
  ) throws(DeclipError) -> Int8Product {
    Int8Product(
      layer: try weights.matrix(layer.role(.vision, .weight)),
      bias: weights.floats.optionalPointer(layer.role(.vision, .bias)), source: source,
      target: try float.matrix(target), accumulates: accumulates, rows: rows)
  }
}
