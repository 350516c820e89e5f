import Model

/// Annotations in the panoptic format of COCO (cocodataset.org, "Data format", section 4): which
/// regions pictures have, and of which category each is.
public struct PanopticAnnotations: Sendable {
  /// What a region can be.
  public struct Category: Hashable, Sendable {
    /// The number that segments refer to.
    public let id: Int
    /// The name, distinct from all others.
    public let name: String
    /// Whether it is a countable thing, or stuff such as grass.
    public let isThing: Bool
  }

  /// One region of a picture.
  public struct Segment: Hashable, Sendable {
    /// The number in the picture's mask, 1 to 2^24 - 1.
    public let id: UInt32
    /// The place of its category in `categories`.
    public let category: Int
    /// The box's left and upper edge, width and height in pixels.
    public let box: [Float]
    /// Whether it stands for a group of things that were not told apart.
    public let isCrowd: Bool
  }

  /// One annotated picture.
  public struct Picture: Hashable, Sendable {
    /// The picture's file, relative to the folder of pictures.
    public let file: String
    /// The mask's file, relative to the folder of masks.
    public let mask: String
    /// The picture's columns.
    public let width: Int
    /// The picture's rows.
    public let height: Int
    /// The regions, in the order of the file.
    public let segments: [Segment]
  }

  /// The categories by ascending id.
  public let categories: [Category]
  /// The pictures in the order of the file.
  public let pictures: [Picture]

  /// Reads a JSON file.
  ///
  /// Throws `missingInput`, or `badData` with the place where it is no such file: invalid JSON, a
  /// missing key, a number out of range, an id that occurs twice or leads nowhere, or a file name
  /// that leads out of its folder.
  public init(path: String) throws(DeclipError) {
    let json = try JSON.read(path: path)
    do throws(DeclipError) {
      try self.init(json)
    } catch {
      throw error.inFile(path)
    }
  }

  init(_ json: JSON) throws(DeclipError) {
    let reader = PanopticReader()
    categories = try reader.categories(in: json)
    pictures = try reader.pictures(in: json, categories)
  }
}
