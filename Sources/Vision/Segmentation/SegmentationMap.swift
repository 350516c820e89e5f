import Model

/// Which class every pixel of a picture belongs to.
public struct SegmentationMap: Sendable {
  /// How a map is made from logits.
  public struct Options: Hashable, Sendable {
    /// The factor on cosines before the softmax over classes; 100 in released models, 40 in the
    /// authors' demo.
    public var logitScale: Float
    /// Pixels whose most probable class is less probable than this, 0 to 1, get `background`.
    public var threshold: Float
    /// The class of such pixels; where nil they get `SegmentationMap.unlabelled`.
    public var background: Int?

    /// Makes options.
    public init(logitScale: Float = 100, threshold: Float = 0, background: Int? = nil) {
      self.logitScale = logitScale
      self.threshold = threshold
      self.background = background
    }
  }

  /// What a map holds of one class.
  public struct ClassArea: Hashable, Sendable {
    /// The pixels with the class's label.
    public var pixels: Int
    /// Their share of the picture, 0 to 1.
    public var share: Double
    /// The mean probability of the class at these pixels; 0 where there are none.
    public var meanConfidence: Double
  }

  /// The label of pixels that belong to no class.
  public static let unlabelled = UInt16.max

  /// Columns, as the picture's.
  public let width: Int
  /// Rows, as the picture's.
  public let height: Int
  /// `[height, width]` class indices, row-major.
  public let labels: [UInt16]
  /// One entry a class, in the order of the embeddings.
  public let areas: [ClassArea]

  /// Labels every pixel of the picture that `geometry` was made for.
  ///
  /// Logits are computed on the patches that show the picture, interpolated bilinearly at pixel
  /// centres (as PyTorch's `interpolate` with `align_corners=False`; beyond the outermost patch
  /// centres their values hold), and the class of highest softmax probability is taken. Rows are
  /// worked off one by one, so memory does not grow with classes times pixels.
  ///
  /// Throws `usage` for options out of range, `internal` where extents do not fit each other.
  ///
  /// - Parameters:
  ///   - features: `[gridRows * gridColumns, embeddingSize]`, row-major, normalised or not.
  ///   - embeddings: `[classes, embeddingSize]`, normalised.
  ///   - normalizing: whether features are divided by their lengths; not where they are means over
  ///     windows (`WindowAverage`).
  ///   - threads: a bound on the threads used, 0 for one a processor.
  public init(
    features: [Float], embeddings: [Float], embeddingSize: Int, geometry: InputGeometry,
    options: Options = Options(), normalizing: Bool = true, threads: Int = 0
  ) throws(DeclipError) {
    let classes = embeddingSize > 0 ? embeddings.count / embeddingSize : 0
    guard classes > 0, classes * embeddingSize == embeddings.count,
      features.count == geometry.gridRows * geometry.gridColumns * embeddingSize
    else {
      throw DeclipError(
        .internal,
        "\(features.count) features and \(embeddings.count) embeddings of size \(embeddingSize) "
          + "do not fit \(geometry.gridRows) x \(geometry.gridColumns) patches")
    }
    try options.check(classes: classes)
    let logits = ClassLogits(
      features: features, embeddings: embeddings, size: embeddingSize,
      scale: options.logitScale, geometry: geometry, normalizing: normalizing, threads: threads)
    let labeller = PixelLabeller(
      logits: logits, classes: classes, geometry: geometry, options: options)
    (labels, areas) = labeller.label(threads: threads)
    width = geometry.pictureWidth
    height = geometry.pictureHeight
  }

  /// A map of given labels without confidences; nil where their number is not `width * height`.
  public init?(width: Int, height: Int, labels: [UInt16], classes: Int) {
    guard let count = Image.byteCount(width: width, height: height), count / 3 == labels.count
    else { return nil }
    self.width = width
    self.height = height
    self.labels = labels
    var pixels = [Int](repeating: 0, count: classes)
    for label in labels where Int(label) < classes { pixels[Int(label)] += 1 }
    areas = pixels.map {
      ClassArea(pixels: $0, share: Double($0) / Double(labels.count), meanConfidence: 0)
    }
  }

  /// The classes that occur, the largest first.
  public var classesByArea: [Int] {
    areas.indices.filter { areas[$0].pixels > 0 }
      .sorted { (areas[$1].pixels, $0) < (areas[$0].pixels, $1) }
  }
}

extension SegmentationMap.Options {
  /// Throws `usage` for options out of range.
  func check(classes: Int) throws(DeclipError) {
    guard classes < Int(SegmentationMap.unlabelled) else {
      throw DeclipError(.usage, "there are \(classes) classes", expected: "at most 65534")
    }
    guard (0...1).contains(threshold) else {
      throw DeclipError(.usage, "the threshold is \(threshold)", expected: "0 to 1")
    }
    guard logitScale.isFinite, logitScale > 0 else {
      throw DeclipError(
        .usage, "the logit scale is \(logitScale)", expected: "a number above 0")
    }
    if let background, !(0..<classes).contains(background) {
      throw DeclipError(
        .usage, "the background class is number \(background)",
        expected: "one of the \(classes) classes")
    }
  }
}
