import ArgumentParser
import DeCLIP
import Runtime
import Vision

extension InputGeometry.Fit: ExpressibleByArgument {}

/// The options that say how a picture is laid into the network's input.
struct InputOptions: ParsableArguments {
  @Option(help: "How the last block aggregates: qq is DeCLIP's way.")
  var mode = DenseMode.qq

  @Option(
    help: """
      The network's input: the side in pixels that the picture's longer side is resized to, or \
      HEIGHTxWIDTH to fit it into; multiples of the model's patch; by default the native size.
      """)
  var size: InputSize?

  @Option(
    help: """
      square pads every picture to a square input, as DeCLIP's own code does; aspect pads only \
      to the next patch, which costs less.
      """)
  var fit = InputGeometry.Fit.square

  /// The side, where one was given for both.
  var squareSize: Int? {
    size.flatMap { $0.height == $0.width ? $0.height : nil }
  }

  func geometry(of image: Image, _ model: Model) throws(DeclipError) -> InputGeometry {
    let patch = model.architecture.vision.patchSize
    let size = size ?? InputSize(height: model.nativeSize, width: model.nativeSize)
    guard size.height == size.width else {
      return try InputGeometry(
        pictureWidth: image.width, pictureHeight: image.height, width: size.width,
        height: size.height, patchSize: patch)
    }
    return try InputGeometry(
      pictureWidth: image.width, pictureHeight: image.height, size: size.height,
      patchSize: patch, fit: fit)
  }
}
