import ArgumentParser
import CommandOptions
import DeCLIP
import Files
import Foundation
import Quantization
import Terminal
import Vision

/// `declip-quant report OUT`.
struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show how a quantised file was calibrated, and what that cost.",
    discussion: """
      Prints what calibration recorded in the file. With --html a page is written that a browser \
      shows without network; with --float, --images and --classes it also shows pictures labelled \
      by both models, and where labels changed.
      """)

  @Argument(help: "A .declip file that declip-quant calibrate wrote.")
  var model: String

  @Option(help: "The page to write.")
  var html: String?

  @Option(name: .customLong("float"), help: "The float model, for label maps side by side.")
  var floatModel: String?

  @Option(
    parsing: .upToNextOption,
    help: "Pictures for the page: files, a folder, a pattern, or a list of paths.")
  var images: [String] = []

  @Option(help: "The classes to label them with, separated by commas, or @FILE with one a line.")
  var classes: String?

  @OptionGroup var prompts: PromptOptions

  @OptionGroup var modeOptions: ModeOptions

  @OptionGroup var pictureOptions: PictureOptions

  @OptionGroup var input: InputOptions

  @Option(help: "The most pictures to show.")
  var limit = 8

  @OptionGroup var threads: ThreadOptions

  @Flag(help: "Print the record as JSON instead of tables.")
  var json = false

  func validate() throws {
    guard limit >= 1 else { throw ValidationError("--limit takes 1 or more") }
    let given = [floatModel != nil, !images.isEmpty, classes != nil]
    guard Set(given).count == 1 else {
      throw ValidationError("label maps take --float, --images and --classes together")
    }
    guard given[0] == false || html != nil else {
      throw ValidationError("label maps are shown on the page that --html names")
    }
  }

  func run() throws {
    var failure: DeclipError.Kind?
    try reporting { failure = try report() }
    if let failure { throw ExitCode(failure.rawValue) }
  }

  private func report() throws -> DeclipError.Kind? {
    let file = try Model(path: model)
    let record = try CalibrationRecord(of: file.container)
    var failure: DeclipError.Kind?
    if let html {
      var page = ReportPage(
        title: model.split(separator: "/").last.map(String.init) ?? model, facts: facts(file),
        record: record)
      if let floatModel {
        (page.pictures, failure) = try pictures(file, Model(path: floatModel))
        page.pictureSettings =
          "Mode \(modeOptions.mode.rawValue), input "
          + "\(input.size?.description ?? "\(file.nativeSize)x\(file.nativeSize)")"
      }
      try AtomicFile.write(Array(page.html.utf8), to: html)
    }
    if json {
      try JSONOutput.print(record)
    } else {
      print(CalibrationText(record: record, facts: facts(file)).text)
      if let html { print("\nopen \(html) in a browser") }
    }
    return failure
  }

  private func pictures(
    _ quantized: Model, _ float: Model
  ) throws -> ([ReportPicture], DeclipError.Kind?) {
    let pool = try threads.pool()
    let vocabulary = try prompts.vocabulary(
      ClassList.names(in: classes ?? ""), embeddings: nil, float, pool)
    let comparison = try PictureComparison(
      float: float, quantized: quantized, vocabulary: vocabulary, mode: modeOptions.mode,
      layout: input.layout(), pool: pool)
    var pictures: [ReportPicture] = []
    var failure: DeclipError.Kind?
    for path in try PictureFiles.paths(of: images) where pictures.count < limit {
      do throws(DeclipError) {
        pictures.append(try comparison.compare(path, pixelLimit: pictureOptions.maxPixels))
      } catch {
        guard error.kind != .usage else { throw error }
        Terminal.printError("\(error)")
        failure = failure ?? error.kind
      }
    }
    return (pictures, failure)
  }

  private func facts(_ file: Model) -> [(name: String, value: String)] {
    [
      ("file", "\(model), \(Format.bytes(file.container.fileLength))"),
      ("model", file.architecture.summary), ("written by", file.container.toolVersion),
    ]
  }
}
