import ArgumentParser
import CommandOptions
import DeCLIP
import Runtime
import Terminal
import Vision

extension VisionOutput: ExpressibleByArgument {}

/// `declip-run features IMAGE`.
struct ExtractFeatures: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "features", abstract: "Write a picture's features to a .npy file.")

  @Argument(help: "A JPEG or PNG picture.")
  var image: String

  @OptionGroup var options: ModelOptions

  @OptionGroup var pictureOptions: PictureOptions

  @OptionGroup var modeOptions: ModeOptions

  @OptionGroup var input: InputOptions

  @Option(name: [.short, .long], help: "The .npy file to write.")
  var output: String

  @Option(
    help: """
      dense: features in the shared space [rows, columns, embedding]; content and context: the \
      last block's values and queries [rows, columns, width]; image: the embedding of the whole \
      picture [embedding].
      """)
  var kind = VisionOutput.dense

  @Flag(help: "Divide every feature vector by its L2 norm.")
  var normalize = false

  func run() throws {
    try reporting {
      let (model, pool) = try options.open()
      let picture = try Image(path: image, limit: pictureOptions.maxPixels)
      let array = try features(of: picture, model, pool)
      try array.write(to: output)
      print("\(output): \(array.shape.map(String.init).joined(separator: " x "))")
    }
  }

  private func features(
    of picture: Image, _ model: Model, _ pool: WorkerPool
  ) throws(DeclipError) -> NumPyArray {
    let encoder = try ImageEncoder(
      model, mode: modeOptions.mode, outputs: [kind], engine: options.engine, pool: pool)
    var shape: [Int]
    var values: [Float]
    if kind == .image {
      // The embedding of a whole picture is what classification compares.
      values = try encoder.embedding(
        of: picture, size: input.squareSize ?? model.nativeSize)
      shape = [values.count]
    } else {
      let features = try encoder.features(
        of: picture, input: try input.layout().input(for: picture, model))
      values = features.outputs[kind] ?? []
      let width = values.count / max(features.grid.count, 1)
      shape = [features.grid.rows, features.grid.columns, width]
    }
    if normalize, let width = shape.last, width > 0 {
      for row in 0..<values.count / width {
        let range = row * width..<(row + 1) * width
        values.replaceSubrange(range, with: normalizedVector(values[range]))
      }
    }
    guard let array = NumPyArray(shape: shape, values: values) else {
      throw DeclipError(.internal, "\(values.count) features do not fill shape \(shape)")
    }
    return array
  }
}
