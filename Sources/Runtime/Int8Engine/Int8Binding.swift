import CKernels
import Model

/// Decides what the int8 engine does for each step of a plan, and where its operands stand.
struct Int8Binding {
  let plan: Plan
  let weights: Int8Weights
  let precision: LayerPrecision
  /// Where slots that live within blocks of rows lie.
  let layout: RowLayout
  private let places: SlotPlaces

  /// Whether any block's queries and keys are quantised behind their projections.
  var quantizesHeads: Bool { !places.quantizingBlocks.isEmpty }

  /// Binds a plan whose slots stand where their readers want them, or in `places`.
  init(_ plan: Plan, _ weights: Int8Weights, places: SlotPlaces? = nil) throws(DeclipError) {
    self.plan = plan
    self.weights = weights
    let precision = LayerPrecision(plan, weights)
    self.precision = precision
    let places = places ?? SlotPlaces(plan, precision)
    self.places = places
    var quantized: Set<Slot> = []
    var wide: Set<Slot> = []
    for step in plan.steps {
      switch step.operation {
      case _ where precision.floatShare(of: step) == .all: break
      case .embedPatches:
        quantized.insert(.patches)
        if try weights.matrix(.patchEmbedding(.weight)).input.isWide { wide.insert(.patches) }
      case .linear(let layer, let source, _, _, _):
        quantized.insert(source)
        if try weights.matrix(layer.role(.vision, .weight)).input.isWide { wide.insert(source) }
      case .gatedLinear(let source, _): quantized.insert(source)
      default: break
      }
    }
    func sorted(_ slots: some Sequence<Slot>) -> [(Slot, columns: Int)] {
      slots.sorted { $0.rawValue < $1.rawValue }.map { ($0, plan.width(of: $0)) }
    }
    var floats = plan.slots.subtracting(places.shared).subtracting([.gateOperand, .query, .key])
    // One place for both, whose floats are needed for no longer than their quantisation.
    if !places.quantizingBlocks.isEmpty { floats.insert(.query) }
    layout = RowLayout(
      floats: sorted(floats),
      bytes: sorted(quantized).map { ($0, columns: $1, planes: wide.contains($0) ? 2 : 1) })
  }

  /// Whether a step belongs to a block whose queries and keys are quantised behind their projections.
  func quantizesHeads(_ step: Step) -> Bool {
    step.block.map(places.quantizingBlocks.contains) ?? false
  }

  /// Whether a slot's floats stand in the memory of blocks only, or nowhere.
  func isLocal(_ slot: Slot) -> Bool { !places.shared.contains(slot) }

  /// What is done for each step. `float` holds the slots that are not local, `scores` the queries and
  /// keys that are quantised behind their projections.
  func work(_ float: FloatEngine, _ scores: ScoreMemory?) throws(DeclipError) -> [Int8Work] {
    var binder = Binder(binding: self, float: float, scores: scores)
    var work: [Int8Work] = []
    for step in plan.steps { work.append(try binder.bind(step)) }
    return work
  }
}

private struct Binder {
  let binding: Int8Binding
  let float: FloatEngine
  let scores: ScoreMemory?
  /// Slots whose rows stand ready as bytes, and how they were quantised.
  private var ready: [Slot: RowQuantization] = [:]
  /// Whether queries and keys wait for their rotation.
  private var rotates = false

  init(binding: Int8Binding, float: FloatEngine, scores: ScoreMemory?) {
    self.binding = binding
    self.float = float
    self.scores = scores
  }

  private var plan: Plan { binding.plan }
  private var weights: Int8Weights { binding.weights }

  mutating func bind(_ step: Step) throws(DeclipError) -> Int8Work {
    let share = binding.precision.floatShare(of: step)
    // Bytes last no longer than the steps that a thread does for a block of rows in one go.
    if share != .none { ready = [:] }
    if share == .all { return .float }
    switch step.operation {
    case .layerNorm(let layer, let source, let target):
      guard let reader = binding.precision.readers(of: layer).first else {
        return .rows([], of: step.rows)
      }
      let quantization = try weights.matrix(reader).input
      ready[target] = quantization
      return .rows(
        [
          .normalize(
            .init(
              gain: try weights.floats.pointer(layer.role(.vision, .weight)),
              bias: try weights.floats.pointer(layer.role(.vision, .bias)),
              source: try floats(source), columns: plan.width(of: source),
              target: try bytes(target, quantization)))
        ], of: step.rows)
    case .linear(let layer, let source, let target, let activation, let accumulates):
      let result: Int8Product.Result =
        if let activation { .activate(activation) } else { accumulates ? .add : .store }
      let product = try product(layer, source, try place(of: target, step), result)
      defer { ready[target] = nil }
      return .rows(
        try quantization(of: source, product) + product.operations
          + headQuantization(step, product), of: step.rows)
    case .gatedLinear(let source, let target):
      defer { ready = share == .none ? ready.filter { $0.key != target } : [:] }
      let operations = try gatedPair(step.block ?? 0, share, source, target)
      return share == .none
        ? .rows(operations, of: step.rows) : .floatThenRows(operations, of: step.rows)
    case .rotate:
      rotates = true
      return .rows([], of: step.rows)
    case .attend(let weights, let target):
      let isOrdinary = weights == .ordinary
      let precision = self.weights.attention(ofBlock: step.block ?? 0)
      ready = [:]
      defer {
        if isOrdinary { rotates = false }
      }
      return .attend(
        .init(
          products: try products(weights, step), rotates: isOrdinary && rotates,
          isDecoupled: !isOrdinary,
          precision: isOrdinary ? precision : precision.decoupled,
          value: try float.matrix(.value), target: try float.matrix(target), rows: step.rows))
    case .embedPatches:
      let layer = try weights.matrix(.patchEmbedding(.weight))
      let (pixels, bytes) = (try floats(.patches), try bytes(.patches, layer.input))
      let product = Int8Product(
        layer: layer, bias: nil, source: bytes, target: try floats(.tokens), result: .add)
      return .rows(
        [
          .layOut(try float.patchEmbedding(), patches: pixels),
          .quantize(
            .init(source: pixels, columns: plan.width(of: .patches), target: bytes)),
        ] + product.operations, of: .patches)
    case .embedTokens, .copy, .gatherEnds: return .float
    }
  }

  /// What makes the bytes that a product reads of a slot, where they do not stand there yet.
  private mutating func quantization(
    of slot: Slot, _ product: Int8Product
  ) throws(DeclipError) -> [RowOperation] {
    guard ready[slot] != product.layer.input else { return [] }
    ready[slot] = product.layer.input
    return [
      .quantize(
        .init(source: try floats(slot), columns: plan.width(of: slot), target: product.source))
    ]
  }

  /// The products of a gated network but for that which the float engine did.
  private mutating func gatedPair(
    _ block: Int, _ share: FloatDuty.Share, _ source: Slot, _ target: Slot
  ) throws(DeclipError) -> [RowOperation] {
    var operations: [RowOperation] = []
    for (layer, result, done) in [
      (BlockLayer.gate, Int8Product.Result.store, FloatDuty.Share.gate), (.up, .gate, .up),
    ] where share != done {
      let product = try product(.block(block, layer), source, try floats(target), result)
      operations += try quantization(of: source, product) + [.multiply(product)]
    }
    if share == .up {
      operations.append(
        .gate(
          try floats(target), with: try floats(.gateOperand), columns: plan.width(of: target)))
    }
    return operations
  }

  private func products(
    _ weights: AttentionWeights, _ step: Step
  ) throws(DeclipError) -> [Int8Attention.Product] {
    switch weights {
    case .ordinary:
      let scale = 1 / Float(plan.transformer.headSize).squareRoot()
      if let scores, binding.quantizesHeads(step) {
        return [.init(operands: .words(queries: scores.queries, keys: scores.keys), scale: scale)]
      }
      let (left, right) = (try float.matrix(.query), try float.matrix(.key))
      return [.init(operands: .floats(left: [left], right: [right]), scale: scale)]
    case .sumOfSoftmax(let slots, let scale):
      var products: [Int8Attention.Product] = []
      for slot in slots {
        let rows = [try float.matrix(slot)]
        products.append(.init(operands: .floats(left: rows, right: rows), scale: scale))
      }
      return products
    case .softmaxOfSum(let slots, let scale):
      var rows: [FloatMatrix] = []
      for slot in slots { rows.append(try float.matrix(slot)) }
      return [.init(operands: .floats(left: rows, right: rows), scale: scale)]
    }
  }

  /// Where a projection goes: to its slot, or to where the next operation makes queries or keys of it.
  private func place(of target: Slot, _ step: Step) throws(DeclipError) -> FloatRows {
    guard binding.quantizesHeads(step), step.scoreSlot != nil else { return try floats(target) }
    return try local(.query)
  }

  /// What makes queries or keys of a projection; nothing for others.
  private func headQuantization(
    _ step: Step, _ projection: Int8Product
  ) throws(DeclipError) -> [RowOperation] {
    guard let scores, let slot = step.scoreSlot, binding.quantizesHeads(step) else { return [] }
    let rotates = plan.steps.contains { $0.block == step.block && $0.operation == .rotate(slot) }
    let precision = weights.attention(ofBlock: step.block ?? 0)
    return [
      .quantizeHeads(
        .init(
          source: projection.target, target: slot == .key ? scores.keys : scores.queries,
          rotates: rotates, limit: precision.scoreLimit))
    ]
  }

  private func product(
    _ layer: Step.Layer, _ source: Slot, _ target: FloatRows, _ result: Int8Product.Result
  ) throws(DeclipError) -> Int8Product {
    let matrix = try weights.matrix(layer.role(.vision, .weight))
    return Int8Product(
      layer: matrix, bias: weights.floats.optionalPointer(layer.role(.vision, .bias)),
      source: try bytes(source, matrix.input), target: target, result: result)
  }

  private func floats(_ slot: Slot) throws(DeclipError) -> FloatRows {
    binding.isLocal(slot) ? try local(slot) : .shared(try float.matrix(slot))
  }

  private func local(_ slot: Slot) throws(DeclipError) -> FloatRows {
    guard let offset = binding.layout.floats[slot] else { throw unplaced(slot) }
    return .local(offset: offset, stride: RowLayout.floatStride(plan.width(of: slot)))
  }

  private func bytes(
    _ slot: Slot, _ quantization: RowQuantization
  ) throws(DeclipError) -> QuantizedRows {
    guard let offset = binding.layout.bytes[slot] else { throw unplaced(slot) }
    return QuantizedRows(
      offset: offset, stride: RowLayout.byteStride(plan.width(of: slot)),
      quantization: quantization)
  }

  private func unplaced(_ slot: Slot) -> DeclipError {
    DeclipError(.internal, "slot \(slot) was not placed")
  }
}
