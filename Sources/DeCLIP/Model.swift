import Container
import Model
import Runtime

/// An opened `.declip` file: architecture, tokenizer data and weights, read when they are needed.
public final class Model: Sendable {
  /// The path as it was given.
  public let path: String
  /// What the model computes.
  public let architecture: Architecture
  /// The container behind the model.
  public let container: ContainerFile

  /// Opens the file at `path`; no weights are read yet.
  ///
  /// Throws `missingInput` where it cannot be opened and `badData` where it is damaged.
  public init(path: String) throws(DeclipError) {
    self.path = path
    container = try ContainerFile(path: path)
    architecture = container.architecture
  }

  /// The side of the square input that the model was trained on, in pixels; the longer side where
  /// the trained grid is not square.
  public var nativeSize: Int {
    let grid = architecture.vision.nativeGrid
    return max(grid.rows, grid.columns) * architecture.vision.patchSize
  }

  /// The engine that the file's weights are made for: int8 where linear layers are quantised.
  public var preferredEngine: EngineKind { container.quantization == nil ? .float : .int8 }
}
