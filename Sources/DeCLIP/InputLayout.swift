import Model
import Runtime
import Vision

/// How pictures of any size become inputs of a network.
public struct InputLayout: Hashable, Sendable {
  /// Overlapping windows over the resized picture.
  public struct Windows: Hashable, Sendable {
    /// The side of a window in pixels.
    public var size: Int
    /// From one window to the next, in pixels; where nil, a third of a window in whole patches.
    public var stride: Int?

    /// Makes windows; segmentation work mostly uses 336 and 112.
    public init(size: Int, stride: Int? = nil) {
      self.size = size
      self.stride = stride
    }
  }

  /// The network's input: where it is square, the side that a picture's longer side is resized to;
  /// where nil, the model's native size, or with windows the shorter side resized to a window's.
  public var size: InputSize?
  /// How square inputs are padded.
  public var fit: InputGeometry.Fit
  /// The windows, where the picture is not computed as a whole.
  public var windows: Windows?

  /// Makes a layout.
  public init(
    size: InputSize? = nil, fit: InputGeometry.Fit = .square, windows: Windows? = nil
  ) {
    self.size = size
    self.fit = fit
    self.windows = windows
  }

  /// Where a picture lies in the inputs of a model.
  ///
  /// Throws `usage` for sizes that do not suit the model.
  public func input(for image: Image, _ model: Model) throws(DeclipError) -> DenseInput {
    let patch = model.architecture.vision.patchSize
    if let windows {
      guard size.map({ $0.height == $0.width }) ?? true else {
        throw DeclipError(
          .usage, "windows slide over pictures of their own proportions",
          expected: "a --size of one number, the longer side")
      }
      return .windows(
        try SlidingWindows(
          pictureWidth: image.width, pictureHeight: image.height, size: windows.size,
          stride: windows.stride ?? max(1, windows.size / 3 / patch) * patch,
          longerSide: size?.width, patchSize: patch))
    }
    let size = size ?? InputSize(height: model.nativeSize, width: model.nativeSize)
    guard size.height == size.width else {
      return .whole(
        try InputGeometry(
          pictureWidth: image.width, pictureHeight: image.height, width: size.width,
          height: size.height, patchSize: patch))
    }
    return .whole(
      try InputGeometry(
        pictureWidth: image.width, pictureHeight: image.height, size: size.height,
        patchSize: patch, fit: fit))
  }
}

/// Where one picture lies in a network's inputs.
public enum DenseInput: Hashable, Sendable {
  /// In one input.
  case whole(InputGeometry)
  /// In several that overlap.
  case windows(SlidingWindows)

  /// The grid of patches that features are laid out on.
  public var geometry: InputGeometry {
    switch self {
    case .whole(let geometry): geometry
    case .windows(let windows): windows.geometry
    }
  }
}
