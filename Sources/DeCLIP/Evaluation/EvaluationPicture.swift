import Model
import Vision

/// One picture of a dataset, read and checked: whatever is wrong with it is found here.
struct EvaluationPicture {
  let image: Image
  /// True labels, where there are any and classes to compare them with.
  let truth: LabelMap?
  let regions: [EvaluationDataset.Region]
  /// The picture's segments; nil where masks are not evaluated.
  let mask: PanopticMask?

  /// Throws `missingInput` or `badData` naming the file.
  init(
    _ picture: EvaluationDataset.Picture, classes: Int?, _ options: EvaluationOptions,
    _ pass: EvaluationPass
  ) throws(DeclipError) {
    let image = try Image(path: picture.path, limit: options.pixelLimit)
    self.image = image
    var truth: LabelMap?
    if let path = picture.labels, let classes, pass != .crops {
      let map = try LabelMap(path: path, limit: options.pixelLimit)
      do throws(DeclipError) {
        try map.check(of: image, classes: classes, ignoring: options.ignoredLabels)
      } catch {
        throw error.inFile(path)
      }
      truth = map
    }
    self.truth = truth
    guard let known = picture.regions else {
      (regions, mask) = ([], nil)
      return
    }
    guard known.width == image.width, known.height == image.height else {
      throw DeclipError(
        .badData, "has \(image.width) x \(image.height) pixels", file: picture.path,
        expected: "\(known.width) x \(known.height) as its annotation says")
    }
    regions = known.regions
    guard let path = known.mask, options.regionKinds.contains(.masks), pass != .crops else {
      mask = nil
      return
    }
    let mask = try PanopticMask(path: path, limit: options.pixelLimit)
    guard mask.width == image.width, mask.height == image.height else {
      throw DeclipError(
        .badData, "has \(mask.width) x \(mask.height) pixels", file: path,
        expected: "\(image.width) x \(image.height) as its picture")
    }
    let missing = Set(known.regions.map(\.segment)).subtracting(mask.segments)
    guard missing.isEmpty else {
      throw DeclipError(
        .badData, "has no pixel of segment \(missing.min() ?? 0)", file: path,
        expected: "every segment of its annotation")
    }
    self.mask = mask
  }
}
