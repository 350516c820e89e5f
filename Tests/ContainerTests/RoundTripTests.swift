import CKernels
import Foundation
import Testing

@testable import Container
@testable import Model

@Suite struct RoundTripTests {
  let folder: Folder
  var path: String { folder.path + "/model.declip" }

  init() throws { folder = try Folder() }

  private static let compressions: [ContainerOptions.Compression] = [
    .zstd(level: 3), .zstd(level: 1), .none,
  ]

  @Test(arguments: [DataType.float32, .float16, .bfloat16], compressions)
  func weightsOfAFloatTypeKeepTheirBits(
    type: DataType, compression: ContainerOptions.Compression
  ) throws {
    let checkpoint = try Checkpoint.random(.small(), type, seed: 1)
    var options = ContainerOptions.test
    options.compression = compression
    let summary = try ContainerWriter.write(checkpoint, to: path, options: options)
    let file = try ContainerFile(path: path)
    try file.check(threads: 2)

    #expect(file.architecture == checkpoint.architecture)
    #expect(file.provenance == checkpoint.provenance)
    #expect(try file.tokenizer() == checkpoint.tokenizer)
    #expect(file.toolVersion == "test 1.2.3")
    #expect(file.entries.map(\.name) == checkpoint.architecture.tensors.map(\.role.description))
    #expect(file.entries.allSatisfy { $0.dataType == type })
    for (role, tensor) in checkpoint.tensors {
      #expect(file.contains(role))
      let read = try file.tensor(role)
      #expect(read.array == tensor.array, "\(role)")
      #expect(read.shape == tensor.shape)
    }
    #expect(summary.fileLength == file.fileLength)
    #expect(summary.storedBytes == file.entries.reduce(0) { $0 + $1.storedBytes })
    #expect(folder.names == ["model.declip"])
  }

  @Test(
    arguments: [DataType.float64, .float32, .float16, .bfloat16],
    [nil, DataType.float32, .float16, .bfloat16])
  func precisionConvertsAsTheReferencesDo(source: DataType, precision: DataType?) throws {
    let checkpoint = try Checkpoint.random(.small(hasText: false), source, seed: 2)
    var options = ContainerOptions.test
    options.precision = precision
    try ContainerWriter.write(checkpoint, to: path, options: options)
    let file = try ContainerFile(path: path)
    let stored = precision ?? (source == .float64 ? .float32 : source)
    for entry in file.entries {
      let role = try #require(entry.role)
      let tensor = try #require(checkpoint.tensors[role])
      #expect(entry.dataType == stored)
      let expected = reference(tensor, through: stored)
      #expect(try file.floats(entry).map(\.bitPattern) == expected.map(\.bitPattern), "\(role)")
    }
  }

  private static let shapes = [
    [], [1], [0], [3, 0], [17], [1, 1, 1, 1, 1, 1, 1, 1], [31, 37],
    [Layout.frameLength + 13], [2, 262_147], [Layout.frameLength],
  ]

  @Test(arguments: DataType.allCases, compressions)
  func extraTensorsOfAnyTypeAndShapeKeepTheirBits(
    type: DataType, compression: ContainerOptions.Compression
  ) throws {
    var generator = Seeded(3)
    let checkpoint = try Checkpoint.random(.small(hasText: false), seed: 3, tokenizer: nil)
    let extras = try RoundTripTests.shapes.enumerated().map { index, shape in
      // Large shapes only once a width: random tensors are slow to make.
      let isLarge = shape.reduce(1, *) > 10000 && ![.float32, .int8].contains(type)
      return (
        name: "extra.\(index)",
        tensor: try Tensor.random(type, isLarge ? [2, 5] : shape, using: &generator)
      )
    }
    var options = ContainerOptions.test
    options.compression = compression
    options.threads = 2
    _ = try ContainerWriter.write(checkpoint, extras: extras, to: path, options: options)
    let file = try ContainerFile(path: path)
    try file.check()
    #expect(try file.tokenizer() == nil)
    let entries = file.entries.suffix(extras.count)
    for (extra, entry) in zip(extras, entries) {
      #expect(entry.name == extra.name)
      #expect(entry.isExtra && entry.role == nil)
      #expect(entry.shape == extra.tensor.shape)
      let read = try file.tensor(entry)
      #expect(read.dataType == type)
      #expect(read.array == extra.tensor.array, "\(entry.name) \(entry.shape)")
    }
  }

  @Test func uncompressedTensorsAreViewsOfTheMapping() throws {
    var options = ContainerOptions.test
    options.compression = .none
    let checkpoint = try Checkpoint.random(
      .small(hasText: false), seed: 4, tokenizer: nil)
    var generator = Seeded(4)
    let large = try Tensor.random(.float32, [3, Layout.frameLength / 4 - 1], using: &generator)
    _ = try ContainerWriter.write(
      checkpoint, extras: [("large", large)], to: path, options: options)
    let file = try ContainerFile(path: path)
    let start = file.file.bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    for entry in file.entries {
      let address = try file.tensor(entry).bytes.withUnsafeBytes {
        UInt(bitPattern: $0.baseAddress)
      }
      #expect(address % 64 == 0)
      #expect(address - start == UInt(entry.frames[0].offset))
    }
  }

  @Test func manyTensorsAreReadAtOnce() throws {
    let checkpoint = try Checkpoint.random(.small(width: 64, hiddenSize: 1000), seed: 5)
    try ContainerWriter.write(checkpoint, to: path, options: .test)
    let file = try ContainerFile(path: path)
    var buffers: [(role: TensorRole, elements: UnsafeMutableBufferPointer<Float>)] = []
    defer { for buffer in buffers { buffer.elements.deallocate() } }
    for entry in file.entries {
      let role = try #require(entry.role)
      let elements = UnsafeMutableBufferPointer<Float>.allocate(capacity: entry.elementCount)
      buffers.append((role, elements))
    }
    try file.read(buffers, threads: 3)
    for (role, elements) in buffers {
      let bytes = UnsafeRawBufferPointer(elements)
      #expect(try Array(bytes) == #require(checkpoint.tensors[role]).array, "\(role)")
    }
  }

  @Test func destinationOfAnotherSizeIsRefused() throws {
    try ContainerWriter.write(.random(.small(), seed: 6), to: path, options: .test)
    let file = try ContainerFile(path: path)
    var values = [Float](repeating: 0, count: 15)
    #expect(throws: DeclipError.self) {
      try values.withUnsafeMutableBufferPointer { try file.read(.classToken, into: $0) }
    }
  }

  @Test func bytesDoNotDependOnThreads() throws {
    var generator = Seeded(7)
    let checkpoint = try Checkpoint.random(.small(width: 64, layers: 3), seed: 7)
    let extras = [
      ("large", try Tensor.random(.float32, [Layout.frameLength + 1], using: &generator))
    ]
    var files: Set<[UInt8]> = []
    for threads in [1, 2, 3, 8, 1] {
      var options = ContainerOptions.test
      options.threads = threads
      _ = try ContainerWriter.write(checkpoint, extras: extras, to: path, options: options)
      files.insert(try fileBytes(path))
    }
    #expect(files.count == 1)
  }

  /// A tensor's values after storing them as `stored`, element by element.
  private func reference(_ tensor: Tensor, through stored: DataType) -> [Float] {
    let count = tensor.elementCount
    var wide = [Float](repeating: 0, count: count)
    tensor.bytes.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      switch tensor.dataType {
      case .float64: declip_f64_to_f32_reference(base, &wide, count)
      case .float16: declip_f16_to_f32_reference(base, &wide, count)
      case .bfloat16: declip_bf16_to_f32_reference(base, &wide, count)
      default: wide = bytes.withMemoryRebound(to: Float.self) { Array($0) }
      }
    }
    var narrow = [UInt16](repeating: 0, count: count)
    switch stored {
    case .float16:
      declip_f32_to_f16_reference(wide, &narrow, count)
      declip_f16_to_f32_reference(narrow, &wide, count)
    case .bfloat16:
      declip_f32_to_bf16_reference(wide, &narrow, count)
      declip_bf16_to_f32_reference(narrow, &wide, count)
    default: break
    }
    return wide
  }
}
