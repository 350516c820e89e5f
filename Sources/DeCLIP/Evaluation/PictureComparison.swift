import Model
import Quantization
import Runtime
import Vision

/// Labels pictures with a float model and with its quantised form, for people to look at.
public final class PictureComparison {
  private let subjects: [EvaluationSubject]
  private let encoders: [ImageEncoder]
  private let vocabulary: Vocabulary
  private let layout: InputLayout
  private let pool: WorkerPool

  /// The longer side of a report's pictures in pixels.
  private static let extent = 420
  /// The classes named below a picture.
  private static let mostClasses = 14

  /// Makes a comparison; throws what `ImageEncoder` throws.
  public init(
    float: Model, quantized: Model, vocabulary: Vocabulary, mode: DenseMode, layout: InputLayout,
    pool: WorkerPool
  ) throws(DeclipError) {
    self.vocabulary = vocabulary
    self.layout = layout
    self.pool = pool
    subjects = [
      EvaluationSubject(
        name: "float", model: float, engine: .float, classes: vocabulary, categories: nil),
      EvaluationSubject(
        name: "quantised", model: quantized, engine: .int8, classes: vocabulary, categories: nil),
    ]
    var encoders: [ImageEncoder] = []
    for subject in subjects {
      encoders.append(
        try ImageEncoder(
          subject.model, mode: mode, outputs: [.dense], engine: subject.engine, pool: pool))
    }
    self.encoders = encoders
  }

  /// Labels one picture with both.
  ///
  /// Throws `usage` where the two models do not take the same inputs, and what reading pictures and
  /// engines throw.
  public func compare(
    _ path: String, pixelLimit: Int = Image.maximumPixelCount
  ) throws(DeclipError) -> ReportPicture {
    let image = try Image(path: path, limit: pixelLimit)
    var features: [Features] = []
    var maps: [SegmentationMap] = []
    for (subject, encoder) in zip(subjects, encoders) {
      let input = try layout.input(for: image, subject.model)
      let own = try encoder.features(of: image, input: input)
      maps.append(
        try own.segmentationMap(vocabulary, options: .init(), threads: pool.threads))
      features.append(own)
    }
    guard let content = features[1].content(against: features[0]),
      let changes = maps[1].changes(from: maps[0], on: image)
    else {
      throw DeclipError(
        .usage,
        "\(subjects[1].model.path) and \(subjects[0].model.path) give features of different "
          + "extents", expected: "a model and its quantised form")
    }
    let equal = zip(maps[0].labels, maps[1].labels).count { $0 == $1 }
    return ReportPicture(
      name: path.split(separator: "/").last.map(String.init) ?? path,
      picture: try shown(image).png(), float: try shown(labels(maps[0], image)).png(),
      quantized: try shown(labels(maps[1], image)).png(),
      changes: try shown(changes).png(),
      labelAgreement: Double(equal) / Double(max(1, maps[0].labels.count)),
      content: content.result, classes: classes(in: maps))
  }

  /// Opaque enough for colours to be those that classes are named with.
  private func labels(_ map: SegmentationMap, _ image: Image) -> Image {
    map.overlay(on: image, opacity: 0.85)
  }

  /// Small enough for a page with many.
  private func shown(_ image: Image) -> Image {
    let longer = max(image.width, image.height)
    guard longer > Self.extent else { return image }
    return image.resized(
      width: image.width * Self.extent / longer, height: image.height * Self.extent / longer,
      threads: pool.threads)
  }

  private func classes(in maps: [SegmentationMap]) -> [(name: String, colour: String)] {
    var found = maps[0].classesByArea
    found += maps[1].classesByArea.filter { !found.contains($0) }
    return found.prefix(Self.mostClasses).map {
      (vocabulary.names[$0], Palette.colour($0).webText)
    }
  }
}
