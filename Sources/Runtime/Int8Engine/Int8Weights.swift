import CKernels
import Model

/// The weights of a plan for the int8 engine: matrices up to the head as packed signed bytes with a
/// scale for each output channel, everything else as float32.
public final class Int8Weights: Sendable {
  /// What is not quantised: embeddings, norms, biases, the projection to the shared space.
  let floats: FloatWeights
  private let layers: [TensorRole: Int8Layer]
  private let memory: AlignedMemory

  /// Reads and quantises the tensors that `plans` compute with.
  ///
  /// A channel's scale is its largest magnitude over 127. Throws `badData` where a tensor is
  /// absent, damaged or not finite.
  public init(
    _ source: some WeightSource, for plans: [Plan], pool: WorkerPool, kernels: Kernels
  ) throws(DeclipError) {
    let matrices = Self.matrices(of: plans)
    floats = try FloatWeights(
      source, roles: Set(plans.flatMap(\.roles)).subtracting(matrices), pool: pool)

    var places: [(role: TensorRole, shape: [Int], offset: Int)] = []
    var size = 0
    for role in matrices {
      guard let shape = source.architecture.tensors.first(where: { $0.role == role })?.shape,
        shape.count >= 2,
        let bytes = Int8Layer.byteCount([shape[0], shape[1...].reduce(1, *)], kernels),
        bytes < Int.max / 4 - size
      else {
        throw DeclipError(.badData, "is not part of the model", place: "tensor '\(role)'")
      }
      places.append((role, [shape[0], shape[1...].reduce(1, *)], size))
      size += bytes
    }
    let memory = try AlignedMemory(count: size)
    var results = [Result<Int8Layer, DeclipError>?](repeating: nil, count: places.count)
    results.withUnsafeMutableBufferPointer { results in
      nonisolated(unsafe) let results = results
      let list = places
      pool.run(jobs: list.count) { index in
        let place = list[index]
        do throws(DeclipError) {
          let layer = try Int8Layer(
            source, place.role, place.shape, at: memory.base + place.offset, kernels)
          results[index] = .success(layer)
        } catch {
          results[index] = .failure(error)
        }
      }
    }
    var layers: [TensorRole: Int8Layer] = [:]
    for (place, result) in zip(places, results) {
      if let result { layers[place.role] = try result.get() }
    }
    self.layers = layers
    self.memory = memory
  }

  /// A packed matrix.
  func matrix(_ role: TensorRole) throws(DeclipError) -> Int8Layer {
    guard let packed = layers[role] else {
      throw DeclipError(.internal, "was not loaded for this plan", place: "tensor '\(role)'")
    }
    return packed
  }

  /// The matrices that plans multiply by, in the order of their use: what a product prefetches
  /// behind its last weights is then the next product's.
  private static func matrices(of plans: [Plan]) -> [TensorRole] {
    var roles: [TensorRole] = []
    var seen: Set<TensorRole> = []
    func add(_ role: TensorRole) {
      if seen.insert(role).inserted { roles.append(role) }
    }
    for step in plans.flatMap(\.steps) {
      switch step.operation {
      case .embedPatches: add(.patchEmbedding(.weight))
      case .linear(let layer, _, _, _, _) where layer.isInBlock:
        add(layer.role(.vision, .weight))
      case .gatedLinear:
        for layer in [BlockLayer.gate, .up] {
          add(.block(.vision, index: step.block ?? 0, layer, .weight))
        }
      default: break
      }
    }
    return roles
  }
}

extension Step.Layer {
  /// Whether the layer belongs to a block.
  var isInBlock: Bool {
    if case .block = self { true } else { false }
  }
}

/// A linear layer's matrix, quantised and packed.
struct Int8Layer: @unchecked Sendable {
  // Sendable: the memory is written once, before anyone else sees it.
  /// The rows of the matrix: output channels.
  let outputs: Int
  /// The columns of the matrix.
  let inputs: Int
  let packed: UnsafePointer<Int8>
  let columnScale: UnsafePointer<Float>
  let columnSum: UnsafePointer<Int32>

  /// The bytes that a layer takes, nil on overflow.
  static func byteCount(_ shape: [Int], _ kernels: Kernels) -> Int? {
    guard shape.count == 2, shape.allSatisfy({ (1...Architecture.largestExtent).contains($0) })
    else { return nil }
    return aligned(kernels.gemm.packed_size(shape[0], shape[1])) + 2 * aligned(4 * shape[0])
  }

  init(
    _ source: some WeightSource, _ role: TensorRole, _ shape: [Int],
    at memory: UnsafeMutableRawPointer, _ kernels: Kernels
  ) throws(DeclipError) {
    (outputs, inputs) = (shape[0], shape[1])
    let packedSize = aligned(kernels.gemm.packed_size(outputs, inputs))
    let target = memory.assumingMemoryBound(to: Int8.self)
    let scales = (memory + packedSize).assumingMemoryBound(to: Float.self)
    let sums = (memory + packedSize + aligned(4 * outputs)).assumingMemoryBound(to: Int32.self)
    var values = [Float](repeating: 0, count: outputs * inputs)
    try values.withUnsafeMutableBufferPointer { buffer throws(DeclipError) in
      try source.read(role, into: buffer)
    }
    var quantized = [Int8](repeating: 0, count: outputs * inputs)
    for row in 0..<outputs {
      let range = row * inputs..<(row + 1) * inputs
      var (largest, isFinite) = (Float(0), true)
      for index in range {
        largest = max(largest, abs(values[index]))
        isFinite = isFinite && values[index].isFinite
      }
      guard isFinite else {
        throw DeclipError(
          .badData, "holds values that are not finite", place: "tensor '\(role)'")
      }
      scales[row] = largest / 127
      // Of a channel too small for its scale to have an inverse nothing is left.
      let inverse = largest > 127 / Float.greatestFiniteMagnitude ? 127 / largest : 0
      for index in range { quantized[index] = Int8((values[index] * inverse).rounded()) }
    }
    kernels.gemm.pack_weights(quantized, outputs, inputs, target, sums)
    packed = UnsafePointer(target)
    columnScale = UnsafePointer(scales)
    columnSum = UnsafePointer(sums)
  }
}

/// A number of bytes rounded up to whole cache lines.
func aligned(_ count: Int) -> Int { (count + 63) / 64 * 64 }
