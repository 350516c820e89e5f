import ArgumentParser
import CommandOptions
import DeCLIP
import Terminal
import Vision

/// `declip-run classify IMAGE...`.
struct Classify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Name the classes that fit whole pictures best (zero-shot classification).")

  @Argument(help: "JPEG or PNG pictures.")
  var images: [String]

  @OptionGroup var options: ModelOptions

  @OptionGroup var vocabularyOptions: VocabularyOptions

  @OptionGroup var pictureOptions: PictureOptions

  @Option(help: "The side of the input in pixels; by default the native size.")
  var size: Int?

  @Option(name: [.customShort("k"), .long], help: "The number of classes to print.")
  var top = 5

  @Flag(help: "Print JSON instead of tables.")
  var json = false

  private struct Result: Encodable {
    struct Class: Encodable {
      let name: String
      let probability: Float
      let cosine: Float
    }
    let image: String
    let classes: [Class]
  }

  func validate() throws {
    guard top >= 1 else { throw ValidationError("--top takes 1 or more") }
  }

  func run() throws {
    try reporting {
      let (model, pool) = try options.open()
      let vocabulary = try vocabularyOptions.vocabulary(
        vocabularyOptions.names(), model, pool)
      let classifier = try Classifier(
        model, vocabulary: vocabulary, engine: options.engine, pool: pool)
      let size = size ?? model.nativeSize
      var results: [Result] = []
      let failure = Pictures(paths: images, pictureOptions).forEach {
        path, image throws(DeclipError) in
        let scores = try classifier.scores(of: image, size: size)
        let classes = scores.prefix(top).map {
          Result.Class(
            name: vocabulary.names[$0.classIndex], probability: $0.probability,
            cosine: $0.cosine)
        }
        results.append(Result(image: path, classes: classes))
      }
      if json {
        try JSONOutput.print(results)
      } else {
        print(results.map(text).joined(separator: "\n\n"))
      }
      if let failure { throw ExitCode(failure.rawValue) }
    }
  }

  private func text(_ result: Result) -> String {
    var table = Table([("class", .left), ("probability", .right), ("cosine", .right)])
    for entry in result.classes {
      table.add([
        entry.name, Format.percent(Double(entry.probability)),
        Format.fixed(Double(entry.cosine), 4),
      ])
    }
    return "\(result.image)\n\(table.text)"
  }
}
