import Foundation
import Testing

@testable import Container
@testable import Model

/// Prints how fast files are written and read; asserts nothing about time, which depends on the
/// machine. Runs where DECLIP_THROUGHPUT is set.
@Suite(.serialized) struct ThroughputTests {
  @Test(
    .enabled(if: ProcessInfo.processInfo.environment["DECLIP_THROUGHPUT"] != nil),
    arguments: [DataType.float32, .float16, .bfloat16], [1, 2])
  func figures(type: DataType, threads: Int) throws {
    let folder = try Folder()
    let path = folder.path + "/model.declip"
    let checkpoint = try Checkpoint.large(type, seed: 41)
    let clock = ContinuousClock()
    for compression in [ContainerOptions.Compression.zstd(level: 3), .none] {
      var options = ContainerOptions.test
      options.threads = threads
      options.compression = compression
      let start = clock.now
      let summary = try ContainerWriter.write(
        checkpoint, to: path, options: options)
      let written = clock.now
      let file = try ContainerFile(path: path)
      let opened = clock.now
      try file.check(threads: threads)
      let checked = clock.now
      var buffers: [(role: TensorRole, elements: UnsafeMutableBufferPointer<Float>)] = []
      defer { for buffer in buffers { buffer.elements.deallocate() } }
      for entry in file.entries {
        let elements = UnsafeMutableBufferPointer<Float>.allocate(capacity: entry.elementCount)
        // Touched before the clock starts: the first touch of memory is not the reader's work.
        elements.initialize(repeating: 0)
        buffers.append((try #require(entry.role), elements))
      }
      let began = clock.now
      try file.read(buffers, threads: threads)
      let read = clock.now
      func rate(_ duration: Duration) -> String {
        String(format: "%.0f MB/s", Double(summary.decodedBytes) / (duration / .seconds(1)) / 1e6)
      }
      print(
        type.rawValue, compression, "threads \(threads):",
        String(format: "%.3fx,", Double(summary.storedBytes) / Double(summary.sourceBytes)),
        "write \(rate(written - start)), open \(opened - written),",
        "check \(rate(checked - opened)), read \(rate(read - began))")
    }
  }
}

extension Checkpoint {
  /// Random weights, 284 MB as float32 in ten layers; tensors of one shape share their elements,
  /// because drawing normal numbers takes longer than everything else.
  static func large(
    _ dataType: DataType = .float32, layers: Int = 10, seed: UInt64 = 41
  ) throws -> Checkpoint {
    let architecture = Architecture.small(width: 768, layers: layers, hiddenSize: 2048)
    var generator = Seeded(seed)
    var drawn: [[Int]: Tensor] = [:]
    var tensors: [TensorRole: Tensor] = [:]
    for specification in architecture.tensors {
      let shape = specification.shape
      let tensor = try drawn[shape] ?? .random(dataType, shape, using: &generator)
      drawn[shape] = tensor
      tensors[specification.role] = tensor
    }
    return Checkpoint(architecture: architecture, tensors: tensors)
  }
}
