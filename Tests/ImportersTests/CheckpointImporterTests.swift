import Files
import Testing

@testable import Importers
@testable import Model

@Suite struct CheckpointImporterTests {
  private let folder: TestFolder
  private let tensors = OpenCLIP(text: .plain).foreignTensors(of: .smallCLIP)

  init() throws { folder = try TestFolder() }

  @Test func shardsAreOneCheckpoint() throws {
    let half = tensors.count / 2
    try folder.write("a.safetensors", safetensors(Array(tensors.prefix(half))))
    try folder.write("b.safetensors", safetensors(Array(tensors.dropFirst(half))))
    let map = tensors.enumerated().map { index, tensor in
      "\"\(tensor.name)\":\"\(index < half ? "a" : "b").safetensors\""
    }
    try folder.write(
      "model.safetensors.index.json",
      "{\"metadata\":{\"total_size\":1},\"weight_map\":{\(map.joined(separator: ","))}}")
    let checkpoint = try CheckpointImporter.read(path: folder.path)
    #expect(checkpoint.architecture == .smallCLIP)
    #expect(checkpoint.provenance["source.1.name"] == "b.safetensors")
    try folder.write("whole.safetensors", safetensors(tensors))
    let whole = try CheckpointImporter.read(path: folder("whole.safetensors"))
    for (role, tensor) in whole.tensors {
      #expect(checkpoint.tensors[role]?.bytes.array == tensor.bytes.array)
    }
  }

  /// Views cost nothing until someone writes them or computes with them.
  @Test func tensorsThatShareTheirBytesMayNotFillTheMemory() throws {
    var architecture = Architecture.smallCLIP
    architecture.text = nil
    architecture.vision.transformer.width = 1024
    architecture.vision.transformer.heads = 16
    architecture.vision.transformer.hiddenSize = 4096
    architecture.vision.transformer.layers = 24
    let layout = OpenCLIP(text: .plain)
    var items: [(String, [UInt8])] = []
    for specification in architecture.tensors {
      let origin = layout.origin(of: specification.role)
      guard !items.contains(where: { $0.0 == origin.name }) else { continue }
      let shape = origin.foreignShape(of: specification.shape)
      let strides = shape.indices.map { shape[($0 + 1)...].reduce(1, *) }
      items.append(
        (
          origin.name,
          PickleWriter.tensor(PickleWriter.storage(count: 1 << 22), shape, strides: strides)
        ))
    }
    let pickle = PickleWriter.dictionary(items) + PickleWriter.stop
    let path = try folder.write(
      "model.pt",
      torchArchive(pickle: pickle, storages: ["0": [UInt8](repeating: 0, count: 4 << 22)]))
    let size = try MappedFile(path: path).bytes.count
    expectError(
      "\(path): its tensors together are far larger than the \(size) bytes that hold them, expected "
        + "tensors of their own bytes; save copies instead of views"
    ) { try CheckpointImporter.read(path: path) }
  }

  @Test func graphsAreToldByContent() throws {
    let path = try folder.write("model.safetensors", "\u{8}\u{7}\u{12}\u{7}pytorch")
    expectError("\(path): holds no graph, expected an ONNX model") {
      try CheckpointImporter.read(path: path)
    }
  }

  @Test func missingFilesAreNamed() {
    let missing = folder("none")
    expectError("\(missing): cannot be opened: No such file or directory") {
      try CheckpointImporter.read(path: missing)
    }
  }

  /// Lengths of headers whose first bytes are the magic numbers of other formats.
  @Test(arguments: [0x0280, 0x0708, 0x7B])
  func lengthsThatLookLikeMagicNumbersAreNoOtherFormat(length: Int) {
    let header = "{}" + String(repeating: " ", count: length - 2)
    guard case .safetensors = FileFormat.of(ByteView(safetensors(header: header, dataCount: 0)))
    else {
      Issue.record("taken for another format")
      return
    }
  }

  @Test func tokenizersAreFoundBesideAndElsewhere() throws {
    let elsewhere = try TestFolder()
    let path = try folder.write("model.safetensors", safetensors(tensors))
    let other = try elsewhere.write("some.txt", SmallTokenizer.mergesText)
    let asked = try CheckpointImporter.read(
      path: path, options: ImportOptions(tokenizerPath: other))
    #expect(try asked.tokenizer == SmallTokenizer.data())
    #expect(asked.provenance["tokenizer"] == "some.txt")
    try folder.write("vocab.json", SmallTokenizer.vocabulary())
    try folder.write("merges.txt", SmallTokenizer.mergesText)
    let beside = try CheckpointImporter.read(path: path)
    #expect(try beside.tokenizer == SmallTokenizer.data())
    #expect(beside.provenance["tokenizer"] == "vocab.json")
    #expect(!beside.warnings.contains { $0.contains("tokenizer") })
    #expect(
      try CheckpointImporter.read(path: path, options: ImportOptions(visionOnly: true)).tokenizer
        == nil)
  }

  @Test func tokenizersOfOtherModelsAreRefused() throws {
    var architecture = Architecture.smallCLIP
    architecture.text?.vocabularySize = 516
    let path = try folder.write(
      "model.safetensors", safetensors(OpenCLIP(text: .plain).foreignTensors(of: architecture)))
    let merges = try folder.write("merges.txt", SmallTokenizer.mergesText)
    expectError(
      "\(merges): the vocabulary has 517 tokens, expected at most the 516 rows of the token"
        + " embedding; the tokenizer belongs to another model: pass the right one with --tokenizer"
    ) { try CheckpointImporter.read(path: path, options: ImportOptions(tokenizerPath: merges)) }
  }

  @Test func faultsOfTensorsNameTheFile() throws {
    let path = try folder.write("model.safetensors", safetensors([.float32("w", [1])]))
    expectError(
      "\(path): its tensor tells no family that is known (it is 'w'), expected a CLIP,"
        + " OpenCLIP, EVA02-CLIP or DeCLIP model"
    ) { try CheckpointImporter.read(path: path) }
  }

  @Test func metadataIsKept() throws {
    let path = try folder.write(
      "model.safetensors", safetensors(tensors, metadata: #"{"licence":"MIT"}"#))
    let provenance = try CheckpointImporter.read(path: path).provenance
    #expect(provenance["metadata.licence"] == "MIT")
    #expect(provenance["source.0.bytes"].flatMap { Int($0) } ?? 0 > 1000)
  }
}
