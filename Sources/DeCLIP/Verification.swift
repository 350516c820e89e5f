import Container
import Importers
import Model
import Runtime

/// What a comparison of one output found.
public struct OutputDifference: Sendable {
  /// The output, such as `image embedding`.
  public let output: String
  /// The largest difference between elements of normalised rows.
  public let maximum: Float
  /// The smallest cosine between rows.
  public let cosine: Float
}

/// Proof that a converted model computes what the original does.
public struct Verification: Sendable {
  /// The differences from the original graph; empty where the source holds no graph.
  public internal(set) var differences: [OutputDifference] = []
  /// What was checked in words.
  public internal(set) var summary = ""

  /// The default bound on differences.
  public static let defaultTolerance: Float = 1e-4

  /// Compares a checkpoint with the graph it was read from, on seeded inputs.
  ///
  /// Both compute in binary32, the checkpoint in the source's precision, before it is rounded to
  /// another one. Rows are L2-normalised on both sides. Throws `badData` where a difference
  /// exceeds `tolerance`.
  static func compare(
    _ checkpoint: Checkpoint, with reference: ReferenceGraph, tolerance: Float, pool: WorkerPool
  ) throws(DeclipError) -> Verification {
    let architecture = checkpoint.architecture
    var verification = Verification()
    var runs: [ReferenceGraph.Run] = []
    for seed in [UInt64(11), 12] {
      runs.append(
        try reference.run(
          seed: seed, embeddingSize: architecture.embeddingSize,
          endToken: architecture.text?.pooledToken))
    }
    // One tower after the other, so that the weights of one at a time are in memory.
    verification.differences += try visionDifferences(checkpoint, runs, pool)
    if architecture.text != nil {
      verification.differences += try textDifferences(checkpoint, runs, pool)
    }
    verification.differences = merged(verification.differences)
    for difference in verification.differences
    where !(difference.maximum <= tolerance) || difference.cosine.isNaN {
      throw DeclipError(
        .badData,
        "the converted model's \(difference.output) differs from the graph's by "
          + "\(difference.maximum) (cosine \(difference.cosine))",
        expected: "at most \(tolerance)",
        remedy: "please report this file; --no-verify converts it all the same")
    }
    verification.summary = verification.differences.map {
      "\($0.output) within \(short($0.maximum)), cosine \($0.cosine)"
    }.joined(separator: "; ")
    return verification
  }

  /// Checks a checkpoint without a graph: every weight and the embedding of a seeded picture are
  /// finite, and the embedding is not flat.
  ///
  /// Throws `badData` naming the tensor.
  static func check(
    _ checkpoint: Checkpoint, pool: WorkerPool
  ) throws(DeclipError) -> Verification {
    let specifications = checkpoint.architecture.tensors
    var faults = [String?](repeating: nil, count: specifications.count)
    faults.withUnsafeMutableBufferPointer { faults in
      nonisolated(unsafe) let faults = faults
      pool.run(jobs: specifications.count) { index in
        faults[index] = fault(of: specifications[index], in: checkpoint)
      }
    }
    if let fault = faults.lazy.compactMap(\.self).first {
      throw DeclipError(
        .badData, fault, expected: "finite weights",
        remedy: "the checkpoint is damaged or its training diverged; --no-verify converts it all "
          + "the same")
    }
    let tower = checkpoint.architecture.vision
    let size = InputSize(
      height: tower.nativeGrid.rows * tower.patchSize,
      width: tower.nativeGrid.columns * tower.patchSize)
    var generator = Noise(state: 11)
    let pixels = (0..<3 * size.height * size.width).map { _ in generator.next() }
    let engine = try engine(
      checkpoint,
      Plan.vision(checkpoint.architecture, input: size, mode: .vanilla, outputs: [.image]), pool)
    try compute(pixels, with: engine)
    let row = engine.output(.embedding)
    guard row.allSatisfy(\.isFinite), let low = row.min(), let high = row.max(), high > low else {
      throw DeclipError(
        .badData, "the embedding of a random picture is not finite, or flat",
        remedy: "see whether --activation and --heads suit the checkpoint")
    }
    var verification = Verification()
    verification.summary =
      "\(specifications.count) tensors and a test picture's embedding are finite"
    return verification
  }

  /// Compares what was written with the checkpoint, element by element after the rounding that
  /// the stored type asks for.
  ///
  /// Throws `inputOutput` naming the tensor.
  static func roundTrip(
    _ checkpoint: Checkpoint, _ path: String, pool: WorkerPool
  ) throws(DeclipError) {
    let file = try ContainerFile(path: path)
    let specifications = checkpoint.architecture.tensors
    var faults = [DeclipError?](repeating: nil, count: specifications.count)
    faults.withUnsafeMutableBufferPointer { faults in
      nonisolated(unsafe) let faults = faults
      pool.run(jobs: specifications.count) { index in
        let specification = specifications[index]
        let count = specification.shape.reduce(1, *)
        var (source, stored) = (
          [Float](repeating: 0, count: count), [Float](repeating: 0, count: count)
        )
        do throws(DeclipError) {
          try source.withUnsafeMutableBufferPointer { buffer throws(DeclipError) in
            try checkpoint.read(specification.role, into: buffer)
          }
          try stored.withUnsafeMutableBufferPointer { buffer throws(DeclipError) in
            try file.read(specification.role, into: buffer)
          }
          let type = file.entries.first { $0.role == specification.role }?.dataType
          let isEqual = zip(source, stored).allSatisfy { isSame($0, $1, type) }
          if !isEqual {
            throw DeclipError(
              .inputOutput, "was not written as it was read", file: path,
              place: "tensor '\(specification.role)'")
          }
        } catch {
          faults[index] = error
        }
      }
    }
    if let fault = faults.lazy.compactMap(\.self).first { throw fault }
  }

  // MARK: Parts

  private static func isSame(_ source: Float, _ stored: Float, _ type: DataType?) -> Bool {
    if source == stored || source.isNaN && stored.isNaN { return true }
    // Half a unit in the last place; below the normal range of binary16 that is absolute.
    return switch type {
    case .float16: abs(source - stored) <= max(abs(source) * 0x1p-11, 0x1p-25)
    case .bfloat16: abs(source - stored) <= abs(source) * 0x1p-8
    default: false
    }
  }

  private static func fault(
    of specification: TensorSpecification, in checkpoint: Checkpoint
  ) -> String? {
    var values = [Float](repeating: 0, count: specification.shape.reduce(1, *))
    do throws(DeclipError) {
      try values.withUnsafeMutableBufferPointer { buffer throws(DeclipError) in
        try checkpoint.read(specification.role, into: buffer)
      }
    } catch {
      return "\(error)"
    }
    let count = values.count { !$0.isFinite }
    return count == 0
      ? nil : "\(count) of the \(values.count) elements of \(specification.role) are not finite"
  }

  /// An engine for what the graph computes of a picture: one row of the picture, those of its
  /// patches, or both.
  private static func visionEngine(
    _ checkpoint: Checkpoint, _ run: ReferenceGraph.Run, _ pool: WorkerPool
  ) throws(DeclipError) -> FloatEngine {
    let size = checkpoint.architecture.embeddingSize
    let patch = checkpoint.architecture.vision.patchSize
    let patches = run.height / patch * (run.width / patch)
    let mode = checkpoint.architecture.vision.exportedMode
    let rows = run.vision.count / size
    guard rows * size == run.vision.count, [1, patches, patches + 1].contains(rows) else {
      throw DeclipError(
        .badData, "the graph gives \(run.vision.count) features",
        expected: "rows of \(size) for the picture, its patches or all tokens")
    }
    var outputs: Set<VisionOutput> = []
    if mode == nil, rows != patches || patches == 1 { outputs.insert(.image) }
    if mode != nil || rows > 1 { outputs.insert(.dense) }
    return try engine(
      checkpoint,
      Plan.vision(
        checkpoint.architecture, input: InputSize(height: run.height, width: run.width),
        mode: mode ?? .vanilla, outputs: outputs), pool)
  }

  /// Every run has the same sizes, so one engine serves all.
  private static func visionDifferences(
    _ checkpoint: Checkpoint, _ runs: [ReferenceGraph.Run], _ pool: WorkerPool
  ) throws(DeclipError) -> [OutputDifference] {
    guard let first = runs.first else { return [] }
    let size = checkpoint.architecture.embeddingSize
    let engine = try visionEngine(checkpoint, first, pool)
    var differences: [OutputDifference] = []
    for run in runs {
      try compute(run.pixels, with: engine)
      let (image, dense) = (engine.output(.embedding), engine.output(.dense))
      if !image.isEmpty {
        differences.append(
          difference("image embedding", image, Array(run.vision.prefix(size)), size))
      }
      if !dense.isEmpty {
        differences.append(
          difference("dense features", dense, Array(run.vision.suffix(dense.count)), size))
      }
    }
    return differences
  }

  private static func compute(
    _ pixels: [Float], with engine: FloatEngine
  ) throws(DeclipError) {
    try pixels.withUnsafeBufferPointer { pixels throws(DeclipError) in
      try engine.run(pixels: pixels)
    }
  }

  private static func engine(
    _ checkpoint: Checkpoint, _ plan: Plan, _ pool: WorkerPool
  ) throws(DeclipError) -> FloatEngine {
    try FloatEngine(
      plan: plan, weights: FloatWeights(checkpoint, for: [plan], pool: pool), pool: pool,
      kernels: .chosen())
  }

  private static func textDifferences(
    _ checkpoint: Checkpoint, _ runs: [ReferenceGraph.Run], _ pool: WorkerPool
  ) throws(DeclipError) -> [OutputDifference] {
    guard let first = runs.first else { return [] }
    let size = checkpoint.architecture.embeddingSize
    let engine = try engine(
      checkpoint, Plan.text(checkpoint.architecture, rows: max(1, first.tokens.count)), pool)
    var differences: [OutputDifference] = []
    for run in runs {
      // Pooled at the last token of the sequence; attention is causal.
      let end = run.tokens.firstIndex(of: run.endToken) ?? run.tokens.count - 1
      try engine.run(texts: [Array(run.tokens[...end])][...])
      let own = Array(engine.output(.embedding).prefix(size))
      differences.append(difference("text embedding", own, run.text, size))
    }
    return differences
  }

  private static func difference(
    _ output: String, _ own: [Float], _ other: [Float], _ size: Int
  ) -> OutputDifference {
    guard own.count == other.count else {
      return OutputDifference(output: output, maximum: .infinity, cosine: .nan)
    }
    var (maximum, cosine) = (Float(0), Float(1))
    for start in stride(from: 0, to: own.count, by: size) {
      let a = normalizedVector(own[start..<start + size])
      let b = normalizedVector(other[start..<start + size])
      for (x, y) in zip(a, b) { maximum = max(maximum, (x - y).isNaN ? .infinity : abs(x - y)) }
      cosine = min(cosine, zip(a, b).reduce(0) { $0 + $1.0 * $1.1 })
    }
    return OutputDifference(output: output, maximum: maximum, cosine: cosine)
  }

  private static func merged(_ differences: [OutputDifference]) -> [OutputDifference] {
    var names: [String] = []
    for difference in differences where !names.contains(difference.output) {
      names.append(difference.output)
    }
    return names.map { name in
      let own = differences.filter { $0.output == name }
      return OutputDifference(
        output: name, maximum: own.map(\.maximum).max() ?? 0,
        cosine: own.map(\.cosine).min() ?? 1)
    }
  }

  private static func short(_ value: Float) -> String {
    guard value > 0, value.isFinite else { return "\(value)" }
    var (scaled, exponent) = (Double(value), 0)
    while scaled < 1 { (scaled, exponent) = (scaled * 10, exponent - 1) }
    return "\((scaled * 10).rounded() / 10)e\(exponent)"
  }
}

/// A fixed sequence of numbers between -2 and 2.
private struct Noise {
  var state: UInt64

  mutating func next() -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(state >> 40) / Float(1 << 24) * 4 - 2
  }
}
