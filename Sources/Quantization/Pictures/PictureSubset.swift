import Model
import Runtime

/// Some pictures of a set, in an order of their own.
public struct PictureSubset<Base: PictureInputs>: PictureInputs {
  private let base: Base
  private let indices: [Int]

  /// The pictures of `base` with these numbers.
  public init(_ base: Base, indices: [Int]) {
    self.base = base
    self.indices = indices
  }

  /// The size of every input.
  public var size: InputSize { base.size }
  /// The number of pictures.
  public var count: Int { indices.count }

  /// A picture's pixels. Throws where it can no longer be read.
  public func pixels(_ index: Int) throws(DeclipError) -> [Float] {
    try base.pixels(indices[index])
  }

  /// The patches that show the picture.
  public func shownPatches(_ index: Int) -> [Int] { base.shownPatches(indices[index]) }
}

extension PictureSubset: Sendable where Base: Sendable {}
