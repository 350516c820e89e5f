import Quantization
import Vision

/// What one subject of an evaluation did on one picture, or on several.
public struct EvaluationTally: Codable, Hashable, Sendable {
  /// Labels against true labels; nil where there were none.
  public var segmentation: SegmentationTally?
  /// Regions named right, by how they became a feature.
  public var regions: [RegionKind: RegionTally] = [:]
  /// How near the subject comes to the first one; nil for the first.
  public var fidelity: Fidelity?

  /// Makes an empty tally.
  public init() {}

  /// How near a subject comes to the first.
  public struct Fidelity: Codable, Hashable, Sendable {
    /// The pixels compared.
    public var pixels = 0
    /// Those with the same label.
    public var equalPixels = 0
    /// Dense features of the patches that show the picture; nil where the two have features of
    /// different extents.
    public var content: ContentErrorMeter?

    /// Makes an empty comparison.
    public init() {}

    /// The share of pixels, 0 to 1, with the same label; nil without a vocabulary.
    public var labelAgreement: Double? {
      pixels == 0 ? nil : Double(equalPixels) / Double(pixels)
    }

    mutating func merge(_ other: Fidelity) {
      pixels += other.pixels
      equalPixels += other.equalPixels
      guard let more = other.content else { return }
      content?.merge(more)
      content = content ?? more
    }
  }

  /// Adds what the subject did on other pictures.
  ///
  /// Floating-point sums depend on the order of merging; it is always that of the pictures.
  public mutating func merge(_ other: EvaluationTally) {
    if let more = other.segmentation {
      segmentation = segmentation ?? SegmentationTally()
      segmentation?.merge(more)
    }
    for (kind, more) in other.regions { regions[kind, default: RegionTally()].merge(more) }
    if let more = other.fidelity {
      fidelity = fidelity ?? Fidelity()
      fidelity?.merge(more)
    }
  }

  /// Whether all classes are below `classes` and all categories below `categories`.
  func isWithin(classes: Int, categories: Int) -> Bool {
    (segmentation?.counts.isWithin(classes) ?? true)
      && regions.values.allSatisfy { $0.counts.isWithin(categories) }
  }
}
