import CKernels
import Model

/// The weights of a plan for the int8 engine: matrices up to the head as packed signed bytes with a
/// scale for each output channel, everything else as float32.
///
/// Of a quantised model those matrices are bytes that the model has in int8 and that read quantised
/// rows. Of a model of floats all of them are, quantised as they are read (`Uncalibrated`).
public final class Int8Weights: Sendable {
  /// What is not quantised: embeddings, norms, biases, the projection to the shared space.
  let floats: FloatWeights
  /// The attention of the blocks that the model describes, from the first on.
  private let attention: [Quantization.Attention]
  /// That of all others.
  private let otherAttention: Quantization.Attention
  private let layers: [TensorRole: Int8Layer]
  private let memory: AlignedMemory

  /// Reads the tensors that `plans` compute with, and quantises those of a model of floats.
  ///
  /// A channel's scale is then its largest magnitude over 127. Throws `badData` where a tensor is
  /// absent, damaged or not finite.
  public init(
    _ source: some WeightSource, for plans: [Plan], pool: WorkerPool, kernels: Kernels
  ) throws(DeclipError) {
    let quantization = source.quantization
    attention = quantization?.attention ?? []
    otherAttention = quantization == nil ? Uncalibrated.attention : .narrow
    let matrices = Self.matrices(of: plans).filter {
      quantization == nil || quantization?.layers[$0].map { $0.input != .float } ?? false
    }
    floats = try FloatWeights(
      source, roles: Set(plans.flatMap(\.roles)).subtracting(matrices), pool: pool)

    let shapes = source.architecture.shapes
    var places: [(role: TensorRole, shape: [Int], offset: Int, count: Int)] = []
    var size = 0
    for role in matrices {
      guard let shape = shapes[role], shape.count >= 2,
        let count = Int8Layer.byteCount([shape[0], shape[1...].reduce(1, *)], kernels),
        count < Int.max / 4 - size
      else {
        throw DeclipError(.badData, "is not part of the model", place: "tensor '\(role)'")
      }
      places.append((role, [shape[0], shape[1...].reduce(1, *)], size, count))
      size += count
    }
    let uncalibrated = Uncalibrated(layers: source.architecture.vision.transformer.layers)
    let memory = try AlignedMemory(count: size)
    var results = [Result<Int8Layer, DeclipError>?](repeating: nil, count: places.count)
    results.withUnsafeMutableBufferPointer { results in
      nonisolated(unsafe) let results = results
      let list = places
      pool.run(jobs: list.count) { index in
        let place = list[index]
        memory.takePages(place.offset, count: place.count)
        do throws(DeclipError) {
          let memory = memory.base + place.offset
          let layer =
            if let record = quantization?.layers[place.role] {
              try Int8Layer(source, place.role, record, place.shape, at: memory, kernels)
            } else {
              try Int8Layer(
                source, place.role, place.shape, input: uncalibrated.input(of: place.role),
                at: memory, kernels)
            }
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

  /// What the ordinary attention of a block multiplies.
  func attention(ofBlock block: Int) -> Quantization.Attention {
    attention.indices.contains(block) ? attention[block] : otherAttention
  }

  /// Whether a layer multiplies bytes.
  func hasMatrix(_ role: TensorRole) -> Bool { layers[role] != nil }

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
  /// How the rows that it multiplies are quantised.
  let input: RowQuantization
  /// What products are known to hold, of all planes of rows.
  let range: declip_int8_range

  /// The bytes that a layer takes, nil on overflow.
  static func byteCount(_ shape: [Int], _ kernels: Kernels) -> Int? {
    guard shape.count == 2, shape.allSatisfy({ (1...Architecture.largestExtent).contains($0) })
    else { return nil }
    return aligned(kernels.gemm.packed_size(shape[0], shape[1])) + 2 * aligned(4 * shape[0])
  }

  /// Packs a matrix into `memory`, which has room for `byteCount`.
  private init(
    _ matrix: QuantizedMatrix, weightBits: Int, input: RowQuantization,
    at memory: UnsafeMutableRawPointer, _ kernels: Kernels
  ) {
    (outputs, inputs) = (matrix.scales.count, matrix.inputs)
    let packedSize = aligned(kernels.gemm.packed_size(outputs, inputs))
    let target = memory.assumingMemoryBound(to: Int8.self)
    let scales = (memory + packedSize).assumingMemoryBound(to: Float.self)
    let sums = (memory + packedSize + aligned(4 * outputs)).assumingMemoryBound(to: Int32.self)
    for (index, scale) in matrix.scales.enumerated() { scales[index] = scale }
    range =
      switch (input.byteBits, weightBits) {
      case (7, 7): DECLIP_INT8_U7S7
      case (7, _): DECLIP_INT8_U7S8
      case (_, 7): DECLIP_INT8_U8S7
      default:
        kernels.gemm.full_range_is_fast == 0 && matrix.keepsToPairLimit
          ? DECLIP_INT8_U8S8_PAIRED : DECLIP_INT8_U8S8
      }
    kernels.gemm.pack_weights(matrix.values, outputs, inputs, range, target, sums)
    packed = UnsafePointer(target)
    columnScale = UnsafePointer(scales)
    columnSum = UnsafePointer(sums)
    self.input = input
  }

  /// Packs a layer that the model has in int8.
  init(
    _ source: some WeightSource, _ role: TensorRole, _ record: Quantization.Layer, _ shape: [Int],
    at memory: UnsafeMutableRawPointer, _ kernels: Kernels
  ) throws(DeclipError) {
    let matrix = try source.quantizedMatrix(role)
    guard matrix.scales.count == shape[0], matrix.inputs == shape[1],
      let input = RowQuantization(record.input)
    else {
      throw DeclipError(
        .badData, "is of another size", place: "tensor '\(role)'", expected: "\(shape)")
    }
    self.init(matrix, weightBits: record.weightBits, input: input, at: memory, kernels)
  }

  /// Quantises and packs a layer that the model has in floats.
  init(
    _ source: some WeightSource, _ role: TensorRole, _ shape: [Int], input: RowQuantization,
    at memory: UnsafeMutableRawPointer, _ kernels: Kernels
  ) throws(DeclipError) {
    let (outputs, inputs) = (shape[0], shape[1])
    var values = [Float](repeating: 0, count: outputs * inputs)
    try values.withUnsafeMutableBufferPointer { buffer throws(DeclipError) in
      try source.read(role, into: buffer)
    }
    let matrix = try QuantizedMatrix(
      rounding: values, outputs: outputs, weightBits: 8, place: "tensor '\(role)'")
    self.init(matrix, weightBits: 8, input: input, at: memory, kernels)
  }
}

/// A number of bytes rounded up to whole cache lines.
func aligned(_ count: Int) -> Int { (count + 63) / 64 * 64 }
