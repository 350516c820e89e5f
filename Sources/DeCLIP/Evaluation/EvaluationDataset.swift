import Foundation
import Importers
import Model
import Quantization
import Vision

/// The pictures of an evaluation and what is known about them.
public struct EvaluationDataset: Sendable {
  /// One picture.
  public struct Picture: Hashable, Sendable {
    /// Its file, relative to the folder.
    public let name: String
    /// Its path.
    public let path: String
    /// The path of its label map; nil where it has none.
    public let labels: String?
    /// What is known about its regions; nil where nothing is.
    public let regions: Regions?
  }

  /// The regions of one picture.
  public struct Regions: Hashable, Sendable {
    /// The columns that the picture should have.
    public let width: Int
    /// The rows that the picture should have.
    public let height: Int
    /// The path of the mask; nil where masks are not evaluated.
    public let mask: String?
    /// The regions that count.
    public let regions: [Region]
  }

  /// One region.
  public struct Region: Hashable, Sendable {
    /// The place of its category in `categories`.
    public let category: Int
    /// Whether it is a countable thing.
    public let isThing: Bool
    /// Its number in the mask.
    public let segment: UInt32
    /// Its box on the picture.
    public let box: Box
  }

  /// The pictures by name.
  public let pictures: [Picture]
  /// The categories of regions.
  public let categories: [PanopticAnnotations.Category]
  /// Regions passed over because they stand for a crowd.
  public private(set) var crowdRegions = 0
  /// Regions passed over because their box is smaller than `smallestArea`.
  public private(set) var smallRegions = 0

  /// Boxes of fewer pixels are not evaluated, as in the released evaluation.
  public static let smallestArea: Float = 64

  /// The pictures of a folder and their label maps, `NAME.labels.png` beside `NAME.png` or
  /// `NAME.jpg`.
  ///
  /// Throws `missingInput` where the folder cannot be read or holds no picture.
  public init(folder: String) throws(DeclipError) {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: folder)
    } catch {
      throw DeclipError(
        .missingInput, "cannot be read as a folder", file: folder,
        expected: "pictures NAME.png or NAME.jpg and label maps NAME.labels.png")
    }
    let known = Set(names)
    pictures = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      .filter(PictureFiles.isPicture).map { name in
        let labels = Self.labels(of: name)
        return Picture(
          name: name, path: "\(folder)/\(name)",
          labels: known.contains(labels) ? "\(folder)/\(labels)" : nil, regions: nil)
      }
    categories = []
    guard !pictures.isEmpty else {
      throw DeclipError(
        .missingInput, "holds no pictures", file: folder, expected: "NAME.png or NAME.jpg")
    }
  }

  /// The pictures that annotations name, in a folder, with masks in another where they are
  /// evaluated; label maps beside the pictures are used too.
  ///
  /// Crowds and boxes below `smallestArea` are passed over and counted. Throws `badData` where no
  /// picture is annotated.
  public init(
    folder: String, annotations: PanopticAnnotations, masks: String?
  ) throws(DeclipError) {
    var crowds = 0
    var small = 0
    pictures = annotations.pictures.map { picture in
      var regions: [Region] = []
      for segment in picture.segments {
        let box = Box(
          left: segment.box[0], top: segment.box[1], right: segment.box[0] + segment.box[2],
          bottom: segment.box[1] + segment.box[3])
        if segment.isCrowd {
          crowds += 1
        } else if segment.box[2] * segment.box[3] < Self.smallestArea {
          small += 1
        } else {
          regions.append(
            Region(
              category: segment.category,
              isThing: annotations.categories[segment.category].isThing, segment: segment.id,
              box: box))
        }
      }
      let labels = "\(folder)/\(Self.labels(of: picture.file))"
      return Picture(
        name: picture.file, path: "\(folder)/\(picture.file)",
        labels: FileManager.default.fileExists(atPath: labels) ? labels : nil,
        regions: Regions(
          width: picture.width, height: picture.height,
          mask: masks.map { "\($0)/\(picture.mask)" }, regions: regions))
    }
    categories = annotations.categories
    (crowdRegions, smallRegions) = (crowds, small)
    guard !pictures.isEmpty else {
      throw DeclipError(.badData, "the annotations hold no picture")
    }
  }

  /// Whether any picture has a label map.
  public var hasLabels: Bool { pictures.contains { $0.labels != nil } }

  /// The name of a picture's label map.
  private static func labels(of name: String) -> String {
    let dot = name.lastIndex(of: ".") ?? name.endIndex
    return name[..<dot] + ".labels.png"
  }
}
