import Foundation
import Testing

@testable import Container
@testable import Model

@Suite struct WriterTests {
  let folder: Folder
  var path: String { folder.path + "/model.declip" }

  init() throws { folder = try Folder() }

  private func failure(
    _ checkpoint: Checkpoint, _ options: ContainerOptions = .test, path: String? = nil
  ) -> DeclipError? {
    do throws(DeclipError) {
      try ContainerWriter.write(checkpoint, to: path ?? self.path, options: options)
      return nil
    } catch {
      return error
    }
  }

  /// Gaussian weights are what models hold, as far as compression goes.
  @Test(arguments: [(DataType.float32, 0.87), (.float16, 0.86), (.bfloat16, 0.73)])
  func weightsTakeLessRoom(type: DataType, bar: Double) throws {
    let checkpoint = try Checkpoint.random(
      .small(width: 256, layers: 1, hiddenSize: 640, hasText: false), type, seed: 51,
      tokenizer: nil)
    let summary = try ContainerWriter.write(checkpoint, to: path, options: .test)
    #expect(Double(summary.storedBytes) <= bar * Double(summary.sourceBytes))
  }

  @Test func failureMidwayLeavesNothing() throws {
    var checkpoint = try Checkpoint.random(.small(width: 64, layers: 4), seed: 52)
    let role = TensorRole.projection(.text, .weight)
    let shape = try #require(checkpoint.tensors[role]).shape
    var values = [Float](repeating: 1, count: shape.reduce(1, *))
    values[3] = 1e6
    checkpoint.tensors[role] = Tensor(
      dataType: .float32, shape: shape,
      bytes: ByteView(values.withUnsafeBytes { Array($0) }))
    try Data("before".utf8).write(to: URL(fileURLWithPath: path))
    var options = ContainerOptions.test
    options.precision = .float16
    for threads in [1, 4] {
      options.threads = threads
      #expect(
        failure(checkpoint, options)?.description
          == "\(path): tensor 'text.projection.weight': holds values too large for f16; "
          + "store the model as bf16 or f32")
      #expect(folder.names == ["model.declip"])
      #expect(try fileBytes(path) == Array("before".utf8))
    }
  }

  @Test func folderThatDoesNotExistIsCannotCreate() throws {
    let error = try failure(.random(.small(), seed: 53), path: folder.path + "/none/x.declip")
    #expect(error?.kind == .cannotCreate)
    #expect(folder.names == [])
  }

  @Test func everyFaultOfTheTensorsIsNamed() throws {
    var checkpoint = try Checkpoint.random(.small(), seed: 54)
    var generator = Seeded(54)
    checkpoint.tensors[.classToken] = nil
    checkpoint.tensors[.positions(.vision)] = nil
    checkpoint.tensors[.preNorm(.bias)] = try .random(.float32, [16], using: &generator)
    checkpoint.tensors[.norm(.text, .bias)] = try .random(.float32, [9], using: &generator)
    checkpoint.tensors[.norm(.text, .weight)] = try .random(.int32, [8], using: &generator)
    #expect(
      failure(checkpoint)?.description
        == "\(path): tensors: 2 missing: vision.classToken, vision.positions; 1 surplus: "
        + "vision.preNorm.bias; 1 of a wrong shape: text.norm.bias [9] not [8]; 1 of a wrong "
        + "type: text.norm.weight i32 not a float, expected those of the architecture")
    #expect(folder.names == [])
  }

  @Test func impossibleArchitectureIsRefused() throws {
    var checkpoint = try Checkpoint.random(.small(), seed: 55)
    checkpoint.architecture.vision.transformer.heads = 3
    #expect(failure(checkpoint)?.kind == .badData)
    #expect(folder.names == [])
  }

  @Test func impossibleOptionsAreUsage() throws {
    let checkpoint = try Checkpoint.random(.small(hasText: false), seed: 56)
    let lies: [(inout ContainerOptions) -> Void] = [
      { $0.precision = .int8 }, { $0.precision = .float64 }, { $0.threads = 0 },
      { $0.compression = .zstd(level: 0) }, { $0.compression = .zstd(level: 23) },
      { $0.toolVersion = "" }, { $0.toolVersion = String(repeating: "v", count: 80) },
      { $0.toolVersion = "a\u{0}b" },
    ]
    for lie in lies {
      var options = ContainerOptions.test
      lie(&options)
      #expect(failure(checkpoint, options)?.kind == .usage)
    }
  }

  @Test func tokenizerThatCannotBeWrittenIsRefused() throws {
    var checkpoint = try Checkpoint.random(.small(), seed: 57)
    checkpoint.tokenizer?.endToken = 40
    #expect(
      failure(checkpoint)?.description
        == "\(path): section 'tokenizer': special token 40 is outside the vocabulary, "
        + "expected 0 to 39")
    checkpoint.tokenizer?.endToken = 39
    checkpoint.tokenizer?.vocabulary[4] = String(repeating: "x", count: 65536)
    #expect(failure(checkpoint)?.problem == "a symbol has 65536 bytes")
  }

  @Test func notANumberAndInfinityAreKept() throws {
    var checkpoint = try Checkpoint.random(.small(hasText: false), seed: 58, tokenizer: nil)
    var values = [Float](repeating: 1, count: 16)
    values[0] = .nan
    values[1] = -.infinity
    values[2] = .leastNonzeroMagnitude
    values[3] = -0.0
    checkpoint.tensors[.classToken] = Tensor(
      dataType: .float32, shape: [16], bytes: ByteView(values.withUnsafeBytes { Array($0) }))
    var options = ContainerOptions.test
    for precision in [DataType.float32, .float16, .bfloat16] {
      options.precision = precision
      try ContainerWriter.write(checkpoint, to: path, options: options)
      let file = try ContainerFile(path: path)
      let read = try file.floats(#require(file.entry(.classToken)))
      #expect(read[0].isNaN && read[1] == -.infinity && read[3].sign == .minus)
      #expect(read[2] == (precision == .float32 ? .leastNonzeroMagnitude : 0))
    }
  }
}
