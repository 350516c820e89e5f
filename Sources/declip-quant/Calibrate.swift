import ArgumentParser
import CommandOptions
import DeCLIP
import Files
import Quantization
import Runtime
import Terminal

/// `declip-quant calibrate MODEL`.
struct Calibrate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Quantise a model's vision tower with scales chosen from pictures.")

  @Argument(help: "The .declip model.")
  var model: String

  @Option(
    parsing: .upToNextOption,
    help: "Pictures: a folder, a pattern, a file with a path a line, or the files themselves.")
  var images: [String]

  @Option(name: [.short, .long], help: "The file to write.")
  var output: String

  @Option(help: "The most pictures that are used, three quarters of them to fit scales.")
  var limit = 64

  @Option(help: "The network's input, S or HEIGHTxWIDTH; by default the native size.")
  var size: InputSize?

  @OptionGroup var pictureOptions: PictureOptions

  @OptionGroup var methods: MethodOptions

  @Option(help: "Classes whose labels are compared, by commas or @FILE with one a line.")
  var classes: String?

  @OptionGroup var prompts: PromptOptions

  @Option(help: "A .npy file with embeddings of --classes, in their order.")
  var embeddings: String?

  @Option(help: "How the text tower is stored: source, f16 or int8.")
  var text = QuantizedModel.TextWeights.source

  @Flag(help: "Leave out the text tower.")
  var visionOnly = false

  @Flag(help: "Replace the output where it exists.")
  var force = false

  @OptionGroup var threads: ThreadOptions

  func validate() throws {
    guard limit >= 2 else { throw ValidationError("--limit is \(limit), expected 2 or more") }
  }

  func run() throws {
    try reporting { try calibrate() }
  }

  private func calibrate() throws(DeclipError) {
    if try OutputDestination.isFile(output) && !force {
      throw DeclipError(
        .cannotCreate, "exists already", file: output,
        remedy: "give another --output, or --force to replace it")
    }
    let pool = try threads.pool()
    let source = try Model(path: model)
    let pictures = try PictureSet(
      PictureFiles.paths(of: images), limit: limit, seed: methods.seed,
      size: size ?? InputSize(height: source.nativeSize, width: source.nativeSize),
      for: source.architecture, threads: pool.threads, pixelLimit: pictureOptions.maxPixels
    ) { Terminal.printWarning("passed over: \($0)") }
    // Observing, measuring in float, finding migrations, and the ladder's rungs.
    var progress = Progress(total: methods.method == .auto ? 11 : 4)
    let calibrator = Calibrator(
      methods.options, embeddings: try classEmbeddings(source, pool), pool: pool,
      kernels: try .chosen()
    ) { progress.begin($0) }
    let result = try calibrator.run(
      source.container, pictures: pictures, skipped: pictures.skipped.count)
    progress.end()
    let summary = try QuantizedModel(
      result.tower, of: source.container, textWeights: visionOnly ? nil : text,
      calibration: result.record
    ).write(
      to: output, threads: pool.threads, toolVersion: "declip-quant \(DeclipVersion.current)")
    show(result.record, summary.fileLength)
  }

  private func classEmbeddings(
    _ source: Model, _ pool: WorkerPool
  ) throws(DeclipError) -> [Float] {
    guard let classes else { return [] }
    return try prompts.vocabulary(
      ClassList.names(in: classes), embeddings: embeddings, source, pool
    ).embeddings
  }

  private func show(_ record: CalibrationRecord, _ bytes: UInt64) {
    for rung in record.ladder {
      print(
        "\(rung.isChosen ? "*" : " ") \(rung.name): cosine \(Format.fixed(rung.cosine, 5)), "
          + "centred \(Format.fixed(rung.centredCosine, 5))")
    }
    for objective in record.objectives {
      let labels = objective.labelAgreement.map { ", labels \(Format.fixed(100 * $0, 2)) %" }
      print(
        "\(objective.mode): cosine \(Format.fixed(objective.cosine, 5)), 1st percentile "
          + "\(Format.fixed(objective.firstPercentile, 5)), centred "
          + "\(Format.fixed(objective.centredCosine, 5)), shift "
          + "\(Format.fixed(objective.shift, 4))\(labels ?? "")")
    }
    print(
      "\(output): \(Format.bytes(bytes)), fitted on \(record.calibrationPictures) pictures, "
        + "measured on \(record.heldOutPictures)")
  }
}
