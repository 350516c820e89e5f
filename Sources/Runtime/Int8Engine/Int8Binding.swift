import CKernels
import Model

/// Decides what the int8 engine does for each step of a plan, and where its operands stand.
struct Int8Binding {
  let plan: Plan
  /// Where slots that live within blocks of rows lie.
  let layout: RowLayout
  /// Slots that float steps, attention or the caller read or write.
  private let shared: Set<Slot>

  init(_ plan: Plan) {
    self.plan = plan
    var shared = Set(plan.slots.filter { $0.isOutput || $0 == .tokens || $0 == .branch })
    var quantized: Set<Slot> = []
    for step in plan.steps {
      switch step.operation {
      case .attend: shared.formUnion(plan.reads(step) + plan.writes(step))
      case _ where Self.isFloat(step): shared.formUnion(plan.reads(step) + plan.writes(step))
      case .embedPatches: quantized.insert(.patches)
      case .linear(_, let source, _, _, _), .gatedLinear(let source, _): quantized.insert(source)
      default: break
      }
    }
    self.shared = shared
    func sorted(_ slots: some Sequence<Slot>) -> [(Slot, columns: Int)] {
      slots.sorted { $0.rawValue < $1.rawValue }.map { ($0, plan.width(of: $0)) }
    }
    let floats = plan.slots.subtracting(shared).subtracting([.gateOperand])
    layout = RowLayout(floats: sorted(floats), bytes: sorted(quantized))
  }

  /// Whether a step stays in float32: what feeds no product, and the head, a hundredth of the work
  /// that would cost most of the fidelity.
  static func isFloat(_ step: Step) -> Bool {
    switch step.operation {
    case .embedTokens, .copy, .gatherEnds: true
    case .layerNorm(let layer, _, _), .linear(let layer, _, _, _, _): !layer.isInBlock
    case .embedPatches, .gatedLinear, .rotate, .attend: false
    }
  }

  /// Whether a slot's floats stand in the memory of blocks only, or nowhere.
  func isLocal(_ slot: Slot) -> Bool { !shared.contains(slot) }

  /// What is done for each step. `float` holds the slots that are not local.
  func work(_ weights: Int8Weights, _ float: FloatEngine) throws(DeclipError) -> [Int8Work] {
    var binder = Binder(binding: self, weights: weights, float: float)
    var work: [Int8Work] = []
    for step in plan.steps { work.append(try binder.bind(step)) }
    return work
  }
}

private struct Binder {
  let binding: Int8Binding
  let weights: Int8Weights
  let float: FloatEngine
  /// Slots whose rows stand ready as bytes.
  private var ready: Set<Slot> = []
  /// Whether queries and keys wait for their rotation.
  private var rotates = false

  init(binding: Int8Binding, weights: Int8Weights, float: FloatEngine) {
    self.binding = binding
    self.weights = weights
    self.float = float
  }

  private var plan: Plan { binding.plan }

  mutating func bind(_ step: Step) throws(DeclipError) -> Int8Work {
    if Int8Binding.isFloat(step) {
      if let target = step.target { ready.remove(target) }
      return .float
    }
    switch step.operation {
    case .layerNorm(let layer, let source, let target):
      ready.insert(target)
      return .rows(
        [
          .normalize(
            .init(
              gain: try weights.floats.pointer(layer.role(.vision, .weight)),
              bias: try weights.floats.pointer(layer.role(.vision, .bias)),
              source: try floats(source), columns: plan.width(of: source),
              target: try bytes(target)))
        ], of: step.rows)
    case .linear(let layer, let source, let target, let activation, let accumulates):
      let result: Int8Product.Result =
        if let activation { .activate(activation) } else { accumulates ? .add : .store }
      let product = try product(layer, source, target, result)
      defer { ready.remove(target) }
      return .rows(try quantization(of: source) + [.multiply(product)], of: step.rows)
    case .gatedLinear(let source, let target):
      let block = step.block ?? 0
      defer { ready.remove(target) }
      return .rows(
        try quantization(of: source) + [
          .multiply(try product(.block(block, .gate), source, target, .store)),
          .multiply(try product(.block(block, .up), source, target, .gate)),
        ], of: step.rows)
    case .rotate:
      rotates = true
      return .rows([], of: step.rows)
    case .attend(let weights, let target):
      let isOrdinary = weights == .ordinary
      defer {
        ready.remove(target)
        if isOrdinary { rotates = false }
      }
      return .attend(
        .init(
          products: try products(weights), rotates: isOrdinary && rotates, isDecoupled: !isOrdinary,
          value: try float.matrix(.value), target: try float.matrix(target), rows: step.rows))
    case .embedPatches:
      return .rows(
        [
          .layOut(try float.patchEmbedding(), patches: try floats(.patches)),
          .quantize(try quantization(.patches)),
          .multiply(
            Int8Product(
              layer: try weights.matrix(.patchEmbedding(.weight)), bias: nil,
              source: try bytes(.patches), target: try floats(.tokens), result: .add)),
        ], of: .patches)
    case .embedTokens, .copy, .gatherEnds: return .float
    }
  }

  /// What makes bytes of a slot that has none yet.
  private func quantization(of slot: Slot) throws(DeclipError) -> [RowOperation] {
    ready.contains(slot) ? [] : [.quantize(try quantization(slot))]
  }

  private func quantization(_ slot: Slot) throws(DeclipError) -> Int8Quantization {
    Int8Quantization(
      source: try floats(slot), columns: plan.width(of: slot), target: try bytes(slot))
  }

  private func products(
    _ weights: AttentionWeights
  ) throws(DeclipError) -> [(left: [FloatMatrix], right: [FloatMatrix], scale: Float)] {
    switch weights {
    case .ordinary:
      let scale = 1 / Float(plan.transformer.headSize).squareRoot()
      return [([try float.matrix(.query)], [try float.matrix(.key)], scale)]
    case .sumOfSoftmax(let slots, let scale):
      var products: [(left: [FloatMatrix], right: [FloatMatrix], scale: Float)] = []
      for slot in slots {
        let rows = [try float.matrix(slot)]
        products.append((rows, rows, scale))
      }
      return products
    case .softmaxOfSum(let slots, let scale):
      var rows: [FloatMatrix] = []
      for slot in slots { rows.append(try float.matrix(slot)) }
      return [(rows, rows, scale)]
    }
  }

  private func product(
    _ layer: Step.Layer, _ source: Slot, _ target: Slot, _ result: Int8Product.Result
  ) throws(DeclipError) -> Int8Product {
    Int8Product(
      layer: try weights.matrix(layer.role(.vision, .weight)),
      bias: weights.floats.optionalPointer(layer.role(.vision, .bias)),
      source: try bytes(source), target: try floats(target), result: result)
  }

  private func floats(_ slot: Slot) throws(DeclipError) -> FloatRows {
    guard binding.isLocal(slot) else { return .shared(try float.matrix(slot)) }
    guard let offset = binding.layout.floats[slot] else { throw unplaced(slot) }
    return .local(offset: offset, stride: RowLayout.floatStride(plan.width(of: slot)))
  }

  private func bytes(_ slot: Slot) throws(DeclipError) -> QuantizedRows {
    guard let offset = binding.layout.bytes[slot] else { throw unplaced(slot) }
    return QuantizedRows(offset: offset, stride: RowLayout.byteStride(plan.width(of: slot)))
  }

  private func unplaced(_ slot: Slot) -> DeclipError {
    DeclipError(.internal, "slot \(slot) was not placed")
  }
}
