import Model
import Runtime
import Vision

/// Pictures for calibration: chosen by a seed, resized as for dense features, read from their files
/// whenever they are asked for, so that memory does not grow with their number.
public struct PictureSet: PictureInputs, Sendable {
  /// The files, in the order chosen.
  public let paths: [String]
  /// What could not be read and was passed over.
  public let skipped: [DeclipError]
  /// The size of every input.
  public let size: InputSize
  private let extents: [(width: Int, height: Int)]
  private let preprocessing: Preprocessing
  private let patchSize: Int
  private let threads: Int
  private let pixelLimit: Int

  /// The number of pictures.
  public var count: Int { paths.count }

  /// Chooses up to `limit` pictures of `candidates` that can be read.
  ///
  /// Pictures with more pixels than `pixelLimit` are passed over like broken ones.
  /// A seed makes the same choice of the same candidates everywhere. Every picture that is tried
  /// is decoded once, so that broken ones are known before work begins; `failed` is told of each.
  /// Throws `usage` where `size` does not suit the model and `badData` where no picture is left.
  public init(
    _ candidates: [String], limit: Int, seed: UInt64, size: InputSize,
    for architecture: Architecture, threads: Int, pixelLimit: Int = Image.maximumPixelCount,
    failed: (DeclipError) -> Void = { _ in }
  ) throws(DeclipError) {
    self.size = size
    self.threads = threads
    self.pixelLimit = pixelLimit
    preprocessing = architecture.preprocessing
    patchSize = architecture.vision.patchSize
    var generator = SplitMix64(seed: seed)
    // All are taken in their order where no choice is to be made.
    let order = candidates.count > limit ? candidates.shuffled(using: &generator) : candidates
    var paths: [String] = []
    var extents: [(width: Int, height: Int)] = []
    var skipped: [DeclipError] = []
    for path in order where paths.count < limit {
      do throws(DeclipError) {
        let image = try Image(path: path, limit: pixelLimit)
        paths.append(path)
        extents.append((image.width, image.height))
      } catch {
        skipped.append(error)
        failed(error)
      }
    }
    self.paths = paths
    self.extents = extents
    self.skipped = skipped
    guard let first = extents.first else {
      throw DeclipError(
        .badData, "none of \(candidates.count) pictures can be read",
        remedy: "give JPEG or PNG pictures with --images")
    }
    _ = try geometry(first)
  }

  /// A picture's `[3, height, width]` normalised pixels. Throws where it can no longer be read.
  public func pixels(_ index: Int) throws(DeclipError) -> [Float] {
    let image = try Image(path: paths[index], limit: pixelLimit)
    return try preprocessing.dense(
      image, geometry((image.width, image.height)), threads: threads
    ).values
  }

  /// The patches that show the picture, by row and column of the grid; the others are padding.
  public func shownPatches(_ index: Int) -> [Int] {
    guard let geometry = try? geometry(extents[index]) else { return [] }
    return (0..<geometry.contentRows).flatMap { row in
      (0..<geometry.contentColumns).map { row * geometry.gridColumns + $0 }
    }
  }

  private func geometry(_ extent: (width: Int, height: Int)) throws(DeclipError) -> InputGeometry {
    try InputGeometry(
      pictureWidth: extent.width, pictureHeight: extent.height, width: size.width,
      height: size.height, patchSize: patchSize)
  }
}
