import Model
import Runtime

/// Pictures as a vision tower takes them, all of one size, read when they are asked for.
public protocol PictureInputs {
  /// The size of every input.
  var size: InputSize { get }
  /// The number of pictures.
  var count: Int { get }
  /// A picture's `[3, height, width]` normalised pixels. Throws where it can no longer be read.
  func pixels(_ index: Int) throws(DeclipError) -> [Float]
  /// The patches that show the picture, by row and column of the grid; the others are padding.
  func shownPatches(_ index: Int) -> [Int]
}
