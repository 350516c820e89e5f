import Container
import Importers
@_exported import Model

/// Foreign checkpoints turned into `.declip` files.
public enum Conversion {
  /// What a conversion did.
  public struct Report: Sendable {
    /// The model's description.
    public let architecture: Architecture
    /// What the user should know about choices made on import, a sentence each.
    public let warnings: [String]
    /// Whether the file can encode texts.
    public let hasTokenizer: Bool
    /// The sizes of what was read and written.
    public let summary: ContainerSummary
  }

  /// Reads the checkpoint at `source` and writes it to `destination`, whole or not at all.
  ///
  /// Throws `missingInput`, `badData` and `usage` as `CheckpointImporter.read`, and what
  /// `ContainerWriter.write` throws.
  public static func convert(
    _ source: String, to destination: String, importing: ImportOptions,
    writing: ContainerOptions
  ) throws(DeclipError) -> Report {
    let checkpoint = try CheckpointImporter.read(path: source, options: importing)
    let summary = try ContainerWriter.write(checkpoint, to: destination, options: writing)
    return Report(
      architecture: checkpoint.architecture, warnings: checkpoint.warnings,
      hasTokenizer: checkpoint.tokenizer != nil, summary: summary)
  }
}
