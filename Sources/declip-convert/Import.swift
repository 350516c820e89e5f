import ArgumentParser
import Container
import DeCLIP
import Files
import Importers
import Terminal

extension Activation: ExpressibleByArgument {}

/// `declip-convert MODEL`.
struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Convert a checkpoint (the default).")

  enum Precision: String, ExpressibleByArgument, CaseIterable {
    case f32, f16, bf16
  }

  enum Compression: String, ExpressibleByArgument, CaseIterable {
    case zstd, none
  }

  @Argument(
    help: """
      The model: an .onnx, .safetensors or .pt file, the index of sharded ones, or their folder.
      """)
  var model: String

  @Option(
    name: [.short, .long],
    help: "The file to write; by default the checkpoint's name with .declip, beside it.")
  var output: String?

  @Option(help: "The type weights are stored as; by default the checkpoint's.")
  var precision: Precision?

  @Option(help: "zstd, or none for memory-mapped weights.")
  var compression = Compression.zstd

  @Option(help: "The zstd level, 1 to 19.")
  var level = 3

  @Option(
    help: "The feed-forward nonlinearity, where no configuration file beside the model says it.")
  var activation: Activation?

  @Option(help: "Attention heads of the vision tower, where they are not its width / 64.")
  var heads: Int?

  @Option(
    help: """
      tokenizer.json, vocab.json or bpe_simple_vocab_16e6.txt.gz, or a folder with one; by \
      default looked for beside the checkpoint.
      """)
  var tokenizer: String?

  @Flag(help: "Leave out the text tower; class embeddings are then given to declip-run.")
  var visionOnly = false

  @Flag(
    help: """
      Let the external data of an ONNX graph be links, symbolic or hard, that lead out of its \
      folder, as in the caches of download tools.
      """)
  var allowExternalLinks = false

  @Flag(help: "Replace the output where it exists.")
  var force = false

  @Flag(
    inversion: .prefixedNo,
    help: """
      Prove that the converted model computes what the source does: an ONNX graph is run beside \
      it on seeded inputs; other checkpoints are checked for finite weights and outputs.
      """)
  var verify = true

  @Option(help: "The largest difference of normalised features that verification allows.")
  var tolerance: Float = Verification.defaultTolerance

  @Option(help: "Threads to compress on; by default one for each processor.")
  var threads = Threads.available

  func run() throws {
    try reporting { try convert(to: output ?? defaultOutput) }
  }

  private func convert(to output: String) throws(DeclipError) {
    if try OutputDestination.isFile(output) && !force {
      throw DeclipError(
        .cannotCreate, "exists already", file: output,
        remedy: "give another --output, or --force to replace it")
    }
    let report = try Conversion.convert(
      model, to: output,
      importing: ImportOptions(
        activation: activation, heads: heads, tokenizerPath: tokenizer,
        visionOnly: visionOnly, allowsExternalLinks: allowExternalLinks),
      writing: ContainerOptions(
        precision: storedType,
        compression: compression == .none ? .none : .zstd(level: level), threads: threads,
        toolVersion: "declip-convert \(DeclipVersion.current)"),
      tolerance: verify ? tolerance : nil)
    for warning in report.warnings { Terminal.printWarning(warning) }
    let summary = report.summary
    let ratio = Double(summary.fileLength) / Double(max(summary.sourceBytes, 1))
    print(
      "\(output): \(report.architecture.summary), \(Format.bytes(summary.fileLength)), "
        + "\(Format.fixed(ratio, 3)) of the checkpoint's tensors")
    if let verification = report.verification { print("verified: \(verification.summary)") }
  }

  private var storedType: DataType? {
    switch precision {
    case .f32: .float32
    case .f16: .float16
    case .bf16: .bfloat16
    case nil: nil
    }
  }

  /// `folder/model.safetensors` -> `folder/model.declip`; a folder's name for a folder.
  private var defaultOutput: String {
    var path = model
    while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
    let name = path.split(separator: "/").last.map(String.init) ?? path
    for suffix in [".safetensors.index.json", ".safetensors", ".onnx", ".pt", ".pth", ".bin"]
    where name.hasSuffix(suffix) {
      return path.dropLast(suffix.count) + ".declip"
    }
    return path + ".declip"
  }
}
