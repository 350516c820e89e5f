import Testing

@testable import Importers
@testable import Model

/// Reads what PyTorch wrote (`Tests/Goldens/torch/make_torch.py`).
@Suite struct TorchFileTests {
  private func read(_ name: String) throws -> TorchFile {
    try TorchFile(path: golden("torch/\(name).pt"))
  }

  @Test(arguments: [
    "types", "views", "training", "protocol4", "protocol5", "state_dict", "attributes",
    "without_checksums",
  ])
  func tensorsAreThoseOfPyTorch(name: String) throws {
    let expected = try SafetensorsFile(path: golden("torch/expected.safetensors")).tensors
      .filter { $0.name.hasPrefix(name + "/") }
    let tensors = try read(name).tensors
    #expect(Set(tensors.map { name + "/" + $0.name }) == Set(expected.map(\.name)))
    #expect(tensors.count == expected.count && !expected.isEmpty)
    for tensor in tensors {
      let other = try #require(expected.first { $0.name == name + "/" + tensor.name })
      #expect(tensor.shape == other.shape, "\(tensor.name)")
      #expect(tensor.dataType == other.dataType, "\(tensor.name)")
      #expect(tensor.bytes.array == other.bytes.array, "\(tensor.name)")
    }
  }

  @Test func elementTypesAreSpelledAsPyTorchDoes() throws {
    for tensor in try read("types").tensors where !["scalar", "empty"].contains(tensor.name) {
      #expect(tensor.elementType == tensor.name)
    }
  }

  @Test func contiguousTensorsAreViewsOfTheFile() throws {
    let file = try read("views")
    let whole = file.bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    let copied: Set = [
      "column", "corner", "steps", "transposed", "expanded", "repeated", "permuted",
      "channelsLast", "bytes", "doubles",
    ]
    for tensor in file.tensors where tensor.name != "none" {
      let place = tensor.bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
      let isView = place >= whole && place < whole + UInt(file.bytes.count)
      #expect(isView == !copied.contains(tensor.name), "\(tensor.name)")
    }
  }

  @Test(arguments: ["training", "protocol4", "protocol5"])
  func plainFactsBesideTheStateDictAreMetadata(name: String) throws {
    #expect(
      try read(name).metadata == [
        "epoch": "7", "name": "déjà vu", "best": "true", "loss": "0.125",
        "steps": "1099511627776",
      ])
  }

  @Test func modelsImportLikeTheirSafetensors() throws {
    let names = ["visual.blocks.1.", "visual.blocks.2.", "text."]
    let tensors = try SafetensorsFile(path: golden("eva02/model.safetensors")).tensors
      .filter { tensor in
        !names.contains { tensor.name.hasPrefix($0) } && !tensor.name.contains("rope")
      }
    let folder = try TestFolder()
    let same = try folder.write("model.safetensors", safetensors(tensors))
    let options = ImportOptions(visionOnly: true)
    let expected = try CheckpointImporter.read(path: same, options: options)
    let found = try CheckpointImporter.read(path: golden("torch/eva02.pt"), options: options)
    #expect(found.architecture == expected.architecture)
    #expect(found.warnings == expected.warnings)
    #expect(found.tensors.count == expected.tensors.count && found.tensors.count > 20)
    for (role, tensor) in expected.tensors {
      let other = try #require(found.tensors[role])
      #expect(other.dataType == tensor.dataType && other.shape == tensor.shape, "\(role)")
      #expect(other.bytes.array == tensor.bytes.array, "\(role)")
    }
    #expect(found.provenance["source.format"] == "pytorch")
    #expect(found.provenance["source.0.name"] == "eva02.pt")
    #expect(found.provenance["metadata.epoch"] == "1")
  }

  @Test func foldersAreSearchedForPyTorchFiles() throws {
    let folder = try TestFolder()
    let bytes = try read("eva02").bytes.array
    try folder.write("pytorch_model.bin", bytes)
    let checkpoint = try CheckpointImporter.read(
      path: folder.path, options: ImportOptions(visionOnly: true))
    #expect(checkpoint.provenance["source.0.name"] == "pytorch_model.bin")
  }

  // MARK: - Refusals

  private static let weightsOnly =
    ", expected tensors in plain dictionaries; save the weights alone with"
    + " torch.save(model.state_dict(), path) or with safetensors.torch.save_file"

  @Test func pickledModulesAreRefused() throws {
    let path = golden("torch/module.pt")
    // The local header takes 64 bytes, the protocol 2.
    expectError(
      "\(path): pickle at byte 66: needs 'torch.nn.modules.linear.Linear', which is not data"
        + Self.weightsOnly
    ) { try TorchFile(path: path) }
  }

  @Test func otherKindsOfFilesAreRefusedWithAdvice() throws {
    let legacy = golden("torch/legacy.pt")
    expectError(
      "\(legacy): is a PyTorch file as written before version 1.6, which cannot be read, expected an"
        + " ONNX, safetensors or PyTorch file; save it again with torch.save(torch.load(path), path)"
    ) { try CheckpointImporter.read(path: legacy) }
    let script = golden("torch/script.pt")
    expectError(
      "\(script): is a TorchScript program, which is code and cannot be read, expected a"
        + " checkpoint of torch.save; save its weights with"
        + " torch.save(torch.jit.load(path).state_dict(), path)"
    ) { try CheckpointImporter.read(path: script) }
    let compressed = golden("torch/compressed.pt")
    expectError(
      "\(compressed): entry 'state_dict/byteorder' at byte 404: is compressed (method 8), expected"
        + " a stored entry, as PyTorch writes them; save it again with torch.save"
    ) { try CheckpointImporter.read(path: compressed) }
    let folder = try TestFolder()
    let tar = [UInt8](repeating: 0, count: 257) + Array("ustar\0".utf8)
    let archive = try folder.write("old.pth", tar)
    expectError(
      "\(archive): is a PyTorch file as written before version 1.6, which cannot be read, expected"
        + " an ONNX, safetensors or PyTorch file; save it again with torch.save(torch.load(path), path)"
    ) { try CheckpointImporter.read(path: archive) }
  }

  private func expectRefusal(
    _ text: String, _ bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    expectError(text, sourceLocation: sourceLocation) {
      try TorchFile(bytes: ByteView(bytes), path: "a.pt")
    }
  }

  private let empty: [UInt8] = [0x7D, 0x2E]

  @Test func otherArchivesAreRefused() {
    expectRefusal(
      "is a zip archive with no data.pkl, expected an archive that torch.save wrote; unpack it, and"
        + " give the ONNX, safetensors or PyTorch file in it",
      ZipWriter([.init("a/weights.npy", [])]).bytes)
    expectRefusal(
      "is a zip archive with several data.pkl, expected an archive that torch.save wrote",
      torchArchive(pickle: empty, others: [("b/data.pkl", "")]))
    expectRefusal(
      "entry 'byteorder': is 'big', expected 'little'; save it again on a little-endian machine",
      torchArchive(pickle: empty, others: [("a/byteorder", "big")]))
    expectRefusal(
      "entry 'version': is '11', expected 1 to 10",
      torchArchive(pickle: empty, others: [("a/version", "11\n")]))
    expectRefusal(
      "is a TorchScript program, which is code and cannot be read, expected a checkpoint of"
        + " torch.save; save its weights with"
        + " torch.save(torch.jit.load(path).state_dict(), path)",
      torchArchive(pickle: empty, others: [("a/code/x.py", "")]))
  }

  @Test func filesWithoutTensorsAreRefused() {
    let remedy = "; save the weights with torch.save(model.state_dict(), path)"
    let expected =
      ", expected a dictionary of tensors, or one under 'state_dict', 'model_state_dict', 'model',"
      + " 'module'" + remedy
    expectRefusal("holds no tensors" + expected, torchArchive(pickle: empty))
    expectRefusal(
      "holds no tensors under 'net', 'epoch'" + expected,
      torchArchive(
        pickle: PickleWriter.dictionary([("net", [0x7D]), ("epoch", [0x4B, 1])])
          + PickleWriter.stop))
    expectRefusal(
      "holds a list, expected a dictionary of tensors" + remedy,
      torchArchive(pickle: [0x5D, 0x2E]))
    expectRefusal(
      "holds a scalar, expected a dictionary of tensors" + remedy,
      torchArchive(pickle: [0x4E, 0x2E]))
  }

  @Test func damagedDataAreNoticed() throws {
    var bytes = try read("state_dict").bytes.array
    let file = try read("state_dict")
    let base = file.bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    let weight = try #require(file.tensors.first { $0.name == "weight" })
    let place = weight.bytes.withUnsafeBytes { Int(UInt(bitPattern: $0.baseAddress) - base) }
    bytes[place] ^= 1
    expectRefusal(
      "entry 'state_dict/data/0' at byte \(place): the data do not have the recorded checksum; the"
        + " file is damaged; fetch it again", bytes)
  }

  // MARK: - The choice of the state dict

  private func tensor(_ count: Int = 2) -> [UInt8] {
    PickleWriter.tensor(PickleWriter.storage(count: 2), [count], strides: [1])
  }

  private func read(_ items: [(String, [UInt8])]) throws -> TorchFile {
    let bytes = torchArchive(
      pickle: PickleWriter.dictionary(items) + PickleWriter.stop,
      storages: ["0": [UInt8](repeating: 0, count: 8)])
    return try TorchFile(bytes: ByteView(bytes), path: "a.pt")
  }

  @Test func theDictionaryWithMostTensorsIsChosen() throws {
    let one = PickleWriter.dictionary([("a", tensor()), ("note", PickleWriter.text("x"))])
    let two = PickleWriter.dictionary([("b", tensor()), ("c", tensor())])
    func names(_ items: [(String, [UInt8])]) throws -> [String] {
      try read(items).tensors.map(\.name)
    }
    #expect(try names([("model", one), ("state_dict", two)]) == ["b", "c"])
    #expect(try names([("state_dict", one), ("module", two)]) == ["b", "c"])
    #expect(try names([("model_ema", one), ("model", one)]) == ["a"])
    #expect(try names([("x", tensor()), ("state_dict", one), ("y", tensor())]) == ["x", "y"])
    #expect(try names([("optimizer", two), ("model", one)]) == ["a"])
    #expect(try names([("model", two), ("model", one)]) == ["a"])
    // Tensors that are not chosen are never looked at.
    #expect(
      try names([("model", two), ("ema", PickleWriter.dictionary([("z", tensor(9))]))]).count == 2)
  }

  @Test func namesAreDistinct() {
    expectError("tensor 'a': is there twice") { try read([("a", tensor()), ("a", tensor())]) }
  }
}
