import ArgumentParser
import CommandOptions
import DeCLIP
import Files
import Foundation
import Terminal
import Vision

/// `declip-run segment IMAGE...`.
struct Segment: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Label every pixel of pictures with one of the classes.",
    discussion: """
      Writes NAME.labels.png, whose palette indices are the numbers of the classes (255 where \
      nothing is sure enough), and NAME.overlay.png, the picture with the labels' colours and a \
      legend.
      """)

  @Argument(help: "JPEG or PNG pictures.")
  var images: [String]

  @OptionGroup var options: ModelOptions

  @OptionGroup var vocabularyOptions: VocabularyOptions

  @OptionGroup var pictureOptions: PictureOptions

  @OptionGroup var modeOptions: ModeOptions

  @OptionGroup var input: InputOptions

  @OptionGroup var windowOptions: WindowOptions

  @Option(name: [.short, .long], help: "The folder to write to.")
  var output = "."

  @Option(help: "The class of pixels below the threshold; added to the classes if not one.")
  var background: String?

  @Option(help: "The probability, 0 to 1, below which a pixel's class is not sure enough.")
  var threshold: Float = 0

  @Option(help: "The factor on cosines before the softmax; by default the model's.")
  var logitScale: Float?

  @Flag(help: "Print areas and confidences as JSON instead of a table.")
  var json = false

  /// An indexed picture has 256 entries, of which the last is for unlabelled pixels.
  private static let mostClasses = 255

  private struct Result: Encodable {
    struct Class: Encodable {
      let name: String
      let label: Int
      let pixels: Int
      let share: Double
      let meanConfidence: Double
    }
    let image: String
    let width: Int
    let height: Int
    let labels: String
    let overlay: String
    let unlabelledPixels: Int
    let classes: [Class]
  }

  func run() throws {
    var failure: DeclipError.Kind?
    try reporting { failure = try segment() }
    if let failure { throw ExitCode(failure.rawValue) }
  }

  private func segment() throws -> DeclipError.Kind? {
    try checkNames()
    try createOutputFolder()
    let (model, pool) = try options.open()
    let names = try classNames()
    let vocabulary = try vocabularyOptions.vocabulary(names, model, pool)
    let segmenter = try Segmenter(
      model, vocabulary: vocabulary, mode: modeOptions.mode, engine: options.engine, pool: pool)
    let mapOptions = SegmentationMap.Options(
      logitScale: logitScale ?? model.architecture.logitScale, threshold: threshold,
      background: background.flatMap { vocabulary.names.firstIndex(of: $0) })
    let layout = input.layout(windows: windowOptions.windows)
    var results: [Result] = []
    let failure = Pictures(paths: images, pictureOptions).forEach {
      path, image throws(DeclipError) in
      let map = try segmenter.map(
        of: image, input: layout.input(for: image, model), options: mapOptions)
      results.append(try write(map, of: image, path, vocabulary))
    }
    if json {
      try JSONOutput.print(results)
    } else {
      print(results.map(text).joined(separator: "\n\n"))
    }
    return failure
  }

  /// The classes, the background among them.
  private func classNames() throws(DeclipError) -> [String] {
    var names = try vocabularyOptions.names()
    if let background, !names.contains(background) {
      guard vocabularyOptions.embeddings == nil else {
        throw DeclipError(
          .usage, "the background '\(background)' is none of the classes",
          remedy: "with --embeddings every class needs a row")
      }
      names.append(background)
    }
    guard names.count <= Self.mostClasses else {
      throw DeclipError(
        .usage, "\(names.count) classes do not fit an indexed picture",
        expected: "at most \(Self.mostClasses)")
    }
    return names
  }

  /// Pictures of one name in two folders would overwrite each other's results.
  private func checkNames() throws(DeclipError) {
    var seen: [String: String] = [:]
    for path in images {
      let stem = Pictures.stem(path)
      if let other = seen.updateValue(path, forKey: stem) {
        throw DeclipError(
          .usage, "\(other) and \(path) would be written to the same \(stem).labels.png",
          remedy: "label them in two runs with different --output folders")
      }
    }
  }

  private func createOutputFolder() throws(DeclipError) {
    do {
      try FileManager.default.createDirectory(
        atPath: output, withIntermediateDirectories: true)
    } catch {
      throw DeclipError(
        .cannotCreate, "the folder \(output) cannot be created",
        remedy: "name another with --output")
    }
  }

  private func write(
    _ map: SegmentationMap, of image: Image, _ path: String, _ vocabulary: Vocabulary
  ) throws(DeclipError) -> Result {
    let base = "\(output)/\(Pictures.stem(path))"
    let labels = base + ".labels.png"
    let overlay = base + ".overlay.png"
    guard let indexed = map.indexedImage() else {
      throw DeclipError(.internal, "the labels do not fit an indexed picture")
    }
    try indexed.writePNG(to: labels)
    try map.drawing(on: image, names: vocabulary.names).writePNG(to: overlay)
    let classes = map.classesByArea.map { index in
      Result.Class(
        name: vocabulary.names[index], label: index, pixels: map.areas[index].pixels,
        share: map.areas[index].share, meanConfidence: map.areas[index].meanConfidence)
    }
    return Result(
      image: path, width: map.width, height: map.height, labels: labels, overlay: overlay,
      unlabelledPixels: map.labels.count - classes.reduce(0) { $0 + $1.pixels },
      classes: classes)
  }

  private func text(_ result: Result) -> String {
    var table = Table([("class", .left), ("area", .right), ("confidence", .right)])
    for entry in result.classes {
      table.add([
        entry.name, Format.percent(entry.share), Format.fixed(entry.meanConfidence, 3),
      ])
    }
    return "\(result.image) -> \(result.labels), \(result.overlay)\n\(table.text)"
  }
}
