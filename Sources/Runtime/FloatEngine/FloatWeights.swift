import Model

/// The weights of a plan as float32, each tensor aligned to a cache line, read once.
public final class FloatWeights: Sendable {
  /// The model that the weights belong to.
  public let architecture: Architecture
  private let offsets: [TensorRole: Int]
  private let memory: AlignedMemory

  /// Reads the tensors that `plans` compute with, several at a time.
  ///
  /// Throws `badData` where a tensor is absent or damaged.
  public convenience init(
    _ source: some WeightSource, for plans: [Plan], pool: WorkerPool
  ) throws(DeclipError) {
    try self.init(source, roles: Set(plans.flatMap(\.roles)), pool: pool)
  }

  /// Reads those of the tensors named that the model has.
  init(
    _ source: some WeightSource, roles needed: Set<TensorRole>, pool: WorkerPool
  ) throws(DeclipError) {
    architecture = source.architecture
    let tensors = source.architecture.tensors.filter { needed.contains($0.role) }
    var offsets: [TensorRole: Int] = [:]
    var size = 0
    for tensor in tensors {
      guard
        let bytes = Tensor.byteCount(of: tensor.shape, .float32),
        bytes < Int.max / 64 - size
      else {
        throw DeclipError(
          .badData, "has more elements than can be addressed", place: "tensor '\(tensor.role)'")
      }
      offsets[tensor.role] = size
      size += (bytes + 63) / 64 * 64
    }
    let memory = try AlignedMemory(count: size)
    var failures = [DeclipError?](repeating: nil, count: tensors.count)
    failures.withUnsafeMutableBufferPointer { failures in
      nonisolated(unsafe) let failures = failures
      pool.run(jobs: tensors.count) { index in
        let tensor = tensors[index]
        let target = UnsafeMutableBufferPointer(
          start: memory.floats(at: offsets[tensor.role] ?? 0),
          count: tensor.shape.reduce(1, *))
        do throws(DeclipError) {
          try source.read(tensor.role, into: target)
        } catch {
          failures[index] = error
        }
      }
    }
    if let failure = failures.lazy.compactMap(\.self).first { throw failure }
    self.offsets = offsets
    self.memory = memory
  }

  /// The tensor's elements; valid as long as the weights live.
  func pointer(_ role: TensorRole) throws(DeclipError) -> UnsafePointer<Float> {
    guard let offset = offsets[role] else {
      throw DeclipError(.internal, "was not loaded for this plan", place: "tensor '\(role)'")
    }
    return UnsafePointer(memory.floats(at: offset))
  }

  /// The tensor's elements, or nil where the model has no such tensor.
  func optionalPointer(_ role: TensorRole) -> UnsafePointer<Float>? {
    offsets[role].map { UnsafePointer(memory.floats(at: $0)) }
  }
}

extension Plan {
  /// Every tensor that the plan's steps may compute with; some of them only certain families have.
  var roles: Set<TensorRole> {
    var roles: Set<TensorRole> = []
    func insert(_ layer: Step.Layer) {
      roles.insert(layer.role(tower, .weight))
      roles.insert(layer.role(tower, .bias))
    }
    for step in steps {
      switch step.operation {
      case .embedPatches:
        roles.formUnion([
          .patchEmbedding(.weight), .patchEmbedding(.bias), .classToken, .positions(.vision),
        ])
      case .embedTokens: roles.formUnion([.tokenEmbedding, .positions(.text)])
      case .layerNorm(let layer, _, _), .linear(let layer, _, _, _, _): insert(layer)
      case .gatedLinear:
        insert(.block(step.block ?? 0, .gate))
        insert(.block(step.block ?? 0, .up))
      case .rotate, .attend, .copy, .gatherEnds: break
      }
    }
    return roles
  }
}

extension Step.Layer {
  func role(_ tower: Tower, _ parameter: Parameter) -> TensorRole {
    switch self {
    case .preNorm: .preNorm(parameter)
    case .block(let index, let layer): .block(tower, index: index, layer, parameter)
    case .norm: .norm(tower, parameter)
    case .projection: .projection(tower, parameter)
    }
  }
}
