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

  /// The layout that the options ask for, over windows where some are given.
  func layout(windows: InputLayout.Windows? = nil) -> InputLayout {
    InputLayout(size: size, fit: fit, windows: windows)
  }
}

/// The options that have pictures computed in overlapping windows.
struct WindowOptions: ParsableArguments {
  @Option(
    help: """
      The side of square windows that slide over the picture, whose logits are averaged, for large \
      pictures: 336 is usual. --size is then the picture's longer side; by default its shorter \
      side becomes a window's.
      """)
  var window: Int?

  @Option(help: "From one window to the next in pixels; by default a third of the window.")
  var stride: Int?

  func validate() throws {
    if stride != nil, window == nil { throw ValidationError("--stride needs --window") }
  }

  /// The windows asked for, if any.
  var windows: InputLayout.Windows? {
    window.map { InputLayout.Windows(size: $0, stride: stride) }
  }
}
