import CKernels
import Files
import Model

/// Reads checkpoints of other libraries.
public enum CheckpointImporter {
  /// Reads the checkpoint at `path`: a safetensors file, an index of sharded ones
  /// (`*.safetensors.index.json`), a file of PyTorch, an ONNX graph, or a folder that holds some of
  /// them under their usual names, the first of which that can be read is taken. Format and family
  /// are told from the content.
  ///
  /// Tensors are views of the memory-mapped files in the source's element type; only matrices
  /// that the source stores transposed are copied. Nothing in a file is ever executed.
  /// Configuration and tokenizer files beside the checkpoint are used where they exist; `warnings`
  /// of the result says what was assumed without them.
  ///
  /// Throws `missingInput` for a file that is not there, `usage` for an option that cannot apply
  /// to the model, and `badData` for everything that is wrong with the content.
  public static func read(
    path: String, options: ImportOptions = ImportOptions()
  ) throws(DeclipError) -> Checkpoint {
    try readWithReference(path: path, options: options).checkpoint
  }

  /// Reads the checkpoint at `path` as `read(path:options:)` does; for an ONNX model with the
  /// original graph, to compare the conversion with.
  public static func readWithReference(
    path: String, options: ImportOptions = ImportOptions()
  ) throws(DeclipError) -> (checkpoint: Checkpoint, reference: ReferenceGraph?) {
    guard Path.isFolder(path) else { return try readFile(path: path, options: options) }
    if let format = FileFormat.package(path) { throw refusal(of: format, path: path) }
    var refused: [DeclipError] = []
    for candidate in try CheckpointFolder.candidates(in: path) {
      do throws(DeclipError) {
        var (checkpoint, reference) = try readFile(path: candidate, options: options)
        checkpoint.warnings = refused.map(CheckpointFolder.warning) + checkpoint.warnings
        return (checkpoint, reference)
      } catch {
        guard [.badData, .missingInput].contains(error.kind) else { throw error }
        refused.append(error)
      }
    }
    throw CheckpointFolder.refusal(refused)
  }

  private static func readFile(
    path: String, options: ImportOptions
  ) throws(DeclipError) -> (checkpoint: Checkpoint, reference: ReferenceGraph?) {
    do {
      let format = FileFormat.of(try MappedFile(path: path).bytes, path: path)
      if case .onnx = format { return try readGraph(path: path, options: options) }
      return (try read(try source(path: path, format), options: options), nil)
    } catch {
      throw error.inFile(path)
    }
  }

  private static func readGraph(
    path: String, options: ImportOptions
  ) throws(DeclipError) -> (checkpoint: Checkpoint, reference: ReferenceGraph?) {
    let (model, source) = try ONNXImporter.source(path: path, options: options)
    // Digests read every page, which is cheapest in memory while there is nothing else in it.
    let provenance = provenance(of: source)
    var (checkpoint, reference) = try ONNXImporter.read(model, options: options)
    try checkSize(of: checkpoint, source)
    checkpoint.provenance.merge(provenance) { first, _ in first }
    try addTokenizer(to: &checkpoint, source, options, usesNamedPadToken: false)
    return (checkpoint, reference)
  }

  private static func read(
    _ source: CheckpointSource, options: ImportOptions
  ) throws(DeclipError) -> Checkpoint {
    var (checkpoint, layout) = try FamilyRecognition.read(source, options: options)
    try checkSize(of: checkpoint, source)
    checkpoint.provenance.merge(provenance(of: source)) { first, _ in first }
    try addTokenizer(
      to: &checkpoint, source, options, usesNamedPadToken: layout.usesNamedPadToken)
    return checkpoint
  }

  /// Throws where the tensors hold far more than the files: views that repeat the same bytes cost
  /// nothing here, but whoever computes with them or writes them would pay.
  private static func checkSize(
    of checkpoint: Checkpoint, _ source: CheckpointSource
  ) throws(DeclipError) {
    let files = source.files.reduce(0) { $0 + $1.bytes.count }
    let content = MemoryBudget(fileSize: files)
    for tensor in checkpoint.tensors.values {
      do {
        try content.take(tensor.bytes.count)
      } catch {
        throw DeclipError(
          .badData, "its tensors together are far larger than the \(files) bytes that hold them",
          expected: "tensors of their own bytes", remedy: "save copies instead of views")
      }
    }
  }

  private static func addTokenizer(
    to checkpoint: inout Checkpoint, _ source: CheckpointSource, _ options: ImportOptions,
    usesNamedPadToken: Bool
  ) throws(DeclipError) {
    if options.visionOnly { checkpoint.provenance["options.vision-only"] = "true" }
    guard let text = checkpoint.architecture.text else { return }
    var tokenizer = try TokenizerImporter.find(
      path: options.tokenizerPath, beside: source, usesNamedPadToken: usesNamedPadToken)
    if tokenizer == nil, let above = CheckpointFolder.above(source) {
      tokenizer = try TokenizerImporter.find(
        path: nil, beside: above, usesNamedPadToken: usesNamedPadToken)
    }
    guard let tokenizer else {
      checkpoint.warnings.append(
        "no tokenizer was found beside the file, so texts cannot be encoded: pass --tokenizer"
          + " with tokenizer.json, vocab.json or bpe_simple_vocab_16e6.txt.gz")
      return
    }
    try tokenizer.check(vocabularySize: text.vocabularySize)
    checkpoint.tokenizer = tokenizer.data
    checkpoint.provenance["tokenizer"] = Path.name(of: tokenizer.path)
  }

  /// The named tensors of a checkpoint.
  private static func source(
    path: String, _ format: FileFormat
  ) throws(DeclipError) -> CheckpointSource {
    switch format {
    case .safetensors: return CheckpointSource(try SafetensorsFile(path: path))
    case .onnx:
      throw DeclipError(.internal, "is a graph, not a checkpoint", file: path)
    case .safetensorsIndex: return try SafetensorsIndex.read(path: path)
    case .torch: return CheckpointSource(try TorchFile(path: path))
    case .empty, .unsupported: throw refusal(of: format, path: path)
    }
  }

  private static func refusal(of format: FileFormat, path: String) -> DeclipError {
    var (problem, remedy) = ("is empty", "fetch or save it again")
    if case .unsupported(let name, let other) = format {
      (problem, remedy) = ("is \(name), which cannot be read", other)
    }
    return DeclipError(
      .badData, problem, file: path, expected: "an ONNX, safetensors or PyTorch file",
      remedy: remedy)
  }

  private static func provenance(of source: CheckpointSource) -> [String: String] {
    var entries = ["source.format": source.format]
    for (index, file) in source.files.enumerated() {
      entries["source.\(index).name"] = file.name
      entries["source.\(index).bytes"] = "\(file.bytes.count)"
      entries["source.\(index).xxh64"] = digest(of: file.bytes)
    }
    for (key, value) in source.metadata { entries["metadata." + key] = value }
    return entries
  }

  /// XXH64 with seed 0 in 16 hexadecimal digits, as `xxhsum -H1` prints it.
  private static func digest(of bytes: ByteView) -> String {
    let hash = bytes.withUnsafeBytes { declip_xxh64($0.baseAddress, $0.count, 0) }
    bytes.releasePages()
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
