import ArgumentParser
import DeCLIP
import Runtime
import Vision

extension InputGeometry.Fit: ExpressibleByArgument {}

/// How the last block aggregates.
public struct ModeOptions: ParsableArguments {
  /// The dense mode.
  @Option(help: "How the last block aggregates: qq is DeCLIP's way.")
  public var mode = DenseMode.qq

  /// Makes options to be parsed.
  public init() {}
}

/// What pictures are read.
public struct PictureOptions: ParsableArguments {
  /// The most pixels of a picture.
  @Option(help: "The most pixels of a picture; a larger one is refused before it takes memory.")
  public var maxPixels = Image.maximumPixelCount

  /// Makes options to be parsed.
  public init() {}

  /// Refuses a limit that no picture can keep.
  public func validate() throws {
    guard maxPixels >= 1 else {
      throw ValidationError("--max-pixels is \(maxPixels), expected 1 or more")
    }
  }
}

/// The options that say how a picture is laid into the network's input.
public struct InputOptions: ParsableArguments {
  /// The network's input.
  @Option(
    help: """
      The network's input: the side in pixels that the picture's longer side is resized to, or \
      HEIGHTxWIDTH to fit it into; multiples of the model's patch; by default the native size.
      """)
  public var size: InputSize?

  /// How square inputs are padded.
  @Option(
    help: """
      square pads every picture to a square input, as DeCLIP's own code does; aspect pads only \
      to the next patch, which costs less.
      """)
  public var fit = InputGeometry.Fit.square

  /// Makes options to be parsed.
  public init() {}

  /// The side, where one was given for both.
  public var squareSize: Int? {
    size.flatMap { $0.height == $0.width ? $0.height : nil }
  }

  /// The layout that the options ask for, over windows where some are given.
  public func layout(windows: InputLayout.Windows? = nil) -> InputLayout {
    InputLayout(size: size, fit: fit, windows: windows)
  }
}

/// The options that have pictures computed in overlapping windows.
public struct WindowOptions: ParsableArguments {
  /// The side of a window.
  @Option(
    help: """
      The side of square windows that slide over the picture, whose logits are averaged, for large \
      pictures: 336 is usual. --size is then the picture's longer side; by default its shorter \
      side becomes a window's.
      """)
  public var window: Int?

  /// From one window to the next.
  @Option(help: "From one window to the next in pixels; by default a third of the window.")
  public var stride: Int?

  /// Makes options to be parsed.
  public init() {}

  /// Refuses a stride without windows.
  public func validate() throws {
    if stride != nil, window == nil { throw ValidationError("--stride needs --window") }
  }

  /// The windows asked for, if any.
  public var windows: InputLayout.Windows? {
    window.map { InputLayout.Windows(size: $0, stride: stride) }
  }
}

extension InputSize: ExpressibleByArgument {
  /// Reads `S` or `HEIGHTxWIDTH`.
  public init?(argument: String) {
    let sides = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    switch (sides.count, sides.first ?? nil, sides.last ?? nil) {
    case (1, let side?, _): self.init(height: side, width: side)
    case (2, let height?, let width?): self.init(height: height, width: width)
    default: return nil
    }
  }
}
