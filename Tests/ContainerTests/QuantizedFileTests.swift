import CKernels
import Foundation
import Testing

@testable import Container
@testable import Model

/// Files with weights in int8.
@Suite struct QuantizedFileTests {
  let folder: Folder
  var path: String { folder.path + "/model.declip" }

  init() throws { folder = try Folder() }

  private func checkpoint(layers: Int = 2) throws -> Checkpoint {
    try Checkpoint.random(.small(layers: layers), seed: 51).quantized(seed: 52)
  }

  private func floats(_ source: some WeightSource, _ role: TensorRole, _ count: Int) throws
    -> [Float]
  {
    var values = [Float](repeating: .nan, count: count)
    try values.withUnsafeMutableBufferPointer { try source.read(role, into: $0) }
    return values
  }

  @Test(arguments: [ContainerOptions.Compression.zstd(level: 3), .none])
  func integersScalesAndRecordComeBack(compression: ContainerOptions.Compression) throws {
    let checkpoint = try checkpoint()
    var options = ContainerOptions.test
    options.compression = compression
    let summary = try ContainerWriter.write(checkpoint, to: path, options: options)
    let file = try ContainerFile(path: path)
    try file.check(threads: 2)
    let quantization = try #require(checkpoint.quantization)
    #expect(file.quantization == quantization)
    #expect(try file.calibration() == checkpoint.calibration)
    #expect(
      summary.tensorCount == checkpoint.architecture.tensors.count + quantization.layers.count)
    let flags = file.sections.filter { $0.name == "quantization" || $0.name == "calibration" }
    #expect(flags.map(\.isRequired) == [true, false])

    for tensor in checkpoint.architecture.tensors {
      let count = tensor.shape.reduce(1, *)
      let expected = try floats(checkpoint, tensor.role, count)
      #expect(try floats(file, tensor.role, count) == expected, "\(tensor.role)")
      guard quantization.layers[tensor.role] != nil, let scales = tensor.role.scales else {
        continue
      }
      let matrix = try file.quantizedMatrix(tensor.role)
      let stored = try #require(checkpoint.tensors[tensor.role]).array.map(Int8.init(bitPattern:))
      #expect(matrix.values == stored)
      #expect(matrix.scales == (try floats(checkpoint, scales, tensor.shape[0])))
      // The rule of the specification, element by element.
      let inputs = count / tensor.shape[0]
      for index in stride(from: 0, to: count, by: 7) {
        #expect(expected[index] == Float(stored[index]) * matrix.scales[index / inputs])
      }
      #expect(try checkpoint.quantizedMatrix(tensor.role).values == stored)
      let entry = try #require(file.entry(tensor.role))
      let planes: TensorEntry.Transform =
        compression == .none || count % 8 != 0
        ? .none : quantization.layers[tensor.role]?.weightBits == 7 ? .bitPlanes7 : .bitPlanes8
      #expect(entry.dataType == .int8 && entry.transform == planes && !entry.isExtra)
      #expect(try file.tensor(tensor.role).dataType == .int8)
    }
  }

  @Test func manyTensorsAreReadAtOnce() throws {
    let checkpoint = try checkpoint()
    try ContainerWriter.write(checkpoint, to: path, options: .test)
    let file = try ContainerFile(path: path)
    var buffers: [(role: TensorRole, elements: UnsafeMutableBufferPointer<Float>)] = []
    defer { for buffer in buffers { buffer.elements.deallocate() } }
    for tensor in checkpoint.architecture.tensors {
      buffers.append(
        (tensor.role, .allocate(capacity: tensor.shape.reduce(1, *))))
    }
    try file.read(buffers, threads: 3)
    for (role, elements) in buffers {
      #expect(try Array(elements) == floats(checkpoint, role, elements.count), "\(role)")
    }
  }

  @Test func sameCheckpointMakesTheSameBytes() throws {
    var files: Set<[UInt8]> = []
    for threads in [1, 2, 5, 1] {
      var options = ContainerOptions.test
      options.threads = threads
      try ContainerWriter.write(checkpoint(), to: path, options: options)
      files.insert(try fileBytes(path))
    }
    #expect(files.count == 1)
  }

  @Test func precisionLeavesScalesAlone() throws {
    let checkpoint = try checkpoint()
    var options = ContainerOptions.test
    options.precision = .bfloat16
    options.textPrecision = .float16
    try ContainerWriter.write(checkpoint, to: path, options: options)
    let file = try ContainerFile(path: path)
    for entry in file.entries {
      let role = try #require(entry.role)
      let expected: DataType =
        entry.quantizedRole != nil
        ? .int8 : role.isScales ? .float32 : role.tower == .text ? .float16 : .bfloat16
      #expect(entry.dataType == expected, "\(role)")
    }
  }

  /// Weights as they are in real models, 8-bit channels scaled by their largest magnitude.
  @Test(arguments: [(8, 0.93), (7, 0.80)])
  func integersCompress(bits: Int, limit: Double) throws {
    var generator = Seeded(8)
    let (outputs, inputs, largest) = (256, 768, Float(bits == 7 ? 63 : 127))
    var values: [UInt8] = []
    for _ in 0..<outputs {
      let row = (0..<inputs).map { _ in generator.weight() }
      let peak = row.map(abs).max() ?? 1
      values += row.map { UInt8(bitPattern: Int8(($0 * largest / peak).rounded())) }
    }
    let tensor = try #require(
      Tensor(dataType: .int8, shape: [outputs, inputs], bytes: ByteView(values)))
    _ = try ContainerWriter.write(
      .random(.small(hasText: false), seed: 9, tokenizer: nil), extras: [("x", tensor)], to: path,
      options: .test)
    let entry = try #require(ContainerFile(path: path).entries.last)
    let share = Double(entry.storedBytes) / Double(entry.decodedBytes)
    #expect(share <= limit, "\(share)")
  }

  @Test func fileWithoutInt8HasNoRecord() throws {
    try ContainerWriter.write(.random(.small(), seed: 1), to: path, options: .test)
    let file = try ContainerFile(path: path)
    #expect(file.quantization == nil)
    #expect(try file.calibration() == nil)
    #expect {
      try file.quantizedMatrix(.patchEmbedding(.weight))
    } throws: {
      "\($0)".hasSuffix("tensor 'vision.patchEmbedding.weight': is not stored in int8")
    }
  }

  @Test func everyByteIsCovered() throws {
    try ContainerWriter.write(checkpoint(layers: 1), to: path, options: .test)
    let intact = try fileBytes(path)
    let seed = UInt64.random(in: 0 ... .max)
    var generator = Seeded(seed)
    for _ in 0..<4000 {
      var bytes = intact
      let offset = Int.random(in: bytes.indices, using: &generator)
      bytes[offset] ^= UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      #expect(throws: DeclipError.self, "byte \(offset), seed \(seed)") {
        try ContainerFile(path: path).check()
      }
    }
  }

  // MARK: What the writer refuses.

  private let query = TensorRole.block(.vision, index: 0, .query, .weight)

  private func refusal(_ change: (inout Checkpoint) throws -> Void) throws -> String {
    var checkpoint = try checkpoint()
    try change(&checkpoint)
    do throws(DeclipError) {
      try ContainerWriter.write(checkpoint, to: path, options: .test)
      return ""
    } catch {
      #expect(folder.names.isEmpty)
      #expect(error.kind == .badData && error.file == path)
      return String(error.description.dropFirst(path.count + 2))
    }
  }

  @Test func impossibleIntegersAndScalesAreNotWritten() throws {
    func integers(_ value: Int8) -> Tensor? {
      Tensor(
        dataType: .int8, shape: [16, 16],
        bytes: ByteView([UInt8](repeating: UInt8(bitPattern: value), count: 256)))
    }
    func scales(_ value: Float, _ type: DataType = .float32) -> Tensor? {
      let values = [Float](repeating: value, count: 16)
      return Tensor(
        dataType: type, shape: [type == .float32 ? 16 : 32],
        bytes: ByteView(values.withUnsafeBytes { Array($0) }))
    }
    let scaleRole = try #require(query.scales)
    #expect(
      try refusal {
        $0.tensors[query] = integers(-128)
        $0.quantization?.layers[query]?.weightBits = 8
      } == "tensor 'vision.block[0].attention.query.weight': holds -128, expected -127 to 127, as "
        + "its weights have 8 bits")
    #expect(
      try refusal {
        $0.tensors[query] = integers(64)
        $0.quantization?.layers[query]?.weightBits = 7
      }.contains("holds 64, expected -63 to 63, as its weights have 7 bits"))
    for value in [Float.nan, .infinity, -0.001] {
      #expect(
        try refusal { $0.tensors[scaleRole] = scales(value) }
          .contains("has a scale that is no finite number of 0 or more"), "\(value)")
    }
    #expect(
      try refusal { $0.tensors[scaleRole] = scales(1, .float16) }
        == "tensors: 1 of a wrong shape: vision.block[0].attention.query.scales [32] not [16]; "
        + "1 of a wrong type: vision.block[0].attention.query.scales f16 not f32, expected those "
        + "of the architecture")
    #expect(
      try refusal { $0.tensors[scaleRole] = nil }
        .contains("1 missing: vision.block[0].attention.query.scales"))
    #expect(
      try refusal { $0.quantization?.layers[query] = nil }
        .contains(
          "1 surplus: vision.block[0].attention.query.scales; 1 of a wrong type: "
            + "vision.block[0].attention.query.weight i8 not a float"))
    #expect(
      try refusal { $0.quantization = nil }.contains("surplus"))
    #expect(
      try refusal { $0.calibration = "[1, 2]" } == "section 'calibration': is not a JSON object: "
        + "key '' has another type")
    #expect(
      try refusal { $0.calibration = "{" } == "section 'calibration': is not a JSON object: "
        + "it is not JSON")
  }

  @Test func impossibleRecordsAreNotWritten() throws {
    let key = TensorRole.block(.vision, index: 0, .key, .weight)
    let text = TensorRole.block(.text, index: 0, .up, .weight)
    func layer(_ input: Quantization.Input, _ bits: Int = 8) -> Quantization.Layer {
      .init(weightBits: bits, input: input)
    }
    let cases: [(TensorRole, Quantization.Layer, String)] = [
      (query, layer(.perRow(bits: 8), 6), "has weights of 6 bits, expected 7 or 8"),
      (query, layer(.perRow(bits: 9)), "has inputs of 9 bits, expected 7 or 8"),
      (query, layer(.perTensor(scale: 0, zeroPoint: 0, bits: 8)), "has inputs of scale 0.0"),
      (query, layer(.perTensor(scale: .nan, zeroPoint: 0, bits: 8)), "has inputs of scale nan"),
      (
        query, layer(.perTensor(scale: .leastNonzeroMagnitude, zeroPoint: 0, bits: 8)),
        "expected a number above 0 that has an inverse"
      ),
      (
        query, layer(.perTensor(scale: 1, zeroPoint: 128, bits: 7)),
        "has inputs of zero point 128, expected 0 to 127"
      ),
      (query, layer(.perTensor(scale: 1, zeroPoint: -1, bits: 8)), "zero point -1"),
      (
        key, layer(.perRow(bits: 7)),
        "quantization of 'vision.block[0].attention.query.weight': quantises its input unlike "
          + "'vision.block[0].attention.key.weight', expected the same, as both read the same"
      ),
      (text, layer(.perRow(bits: 8)), "quantises what a text tower reads, expected weights alone"),
      (
        .block(.vision, index: 7, .query, .weight), layer(.perRow(bits: 8)),
        "quantization of 'vision.block[7].attention.query.weight': is no weight that can be"
      ),
      (.norm(.vision, .weight), layer(.float), "is no weight that can be quantised"),
      (.projection(.vision, .weight), layer(.float), "is no weight that can be quantised"),
    ]
    for (role, layer, expected) in cases {
      let found = try refusal { $0.quantization?.layers[role] = layer }
      #expect(found.contains(expected), "\(found)")
    }
    // Weights alone need not agree with anyone.
    #expect(try refusal { $0.quantization?.layers[key]?.input = .float } == "")
  }
}
