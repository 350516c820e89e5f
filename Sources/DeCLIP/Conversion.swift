import Container
import Files
import Importers
@_exported import Model
import Runtime

/// Foreign checkpoints turned into `.declip` files.
public enum Conversion {
  /// What a conversion did.
  public struct Report: Sendable {
    /// The model's description.
    public let architecture: Architecture
    /// What the user should know about choices made on import, a sentence each.
    public let warnings: [String]
    /// What was verified; nil where that was not asked for.
    public let verification: Verification?
    /// Whether the file can encode texts.
    public let hasTokenizer: Bool
    /// The sizes of what was read and written.
    public let summary: ContainerSummary
  }

  /// Reads the checkpoint at `source` and writes it to `destination`, whole or not at all.
  ///
  /// With a `tolerance` the model is verified before it is written: against the source's own graph
  /// where it has one, else for finite weights and outputs; what was written to a file is read
  /// back. The result becomes part of the file's provenance.
  ///
  /// Throws `missingInput`, `badData` and `usage` as `CheckpointImporter.read`, and what
  /// `ContainerWriter.write` throws.
  public static func convert(
    _ source: String, to destination: String, importing: ImportOptions,
    writing: ContainerOptions, tolerance: Float? = Verification.defaultTolerance
  ) throws(DeclipError) -> Report {
    var (checkpoint, reference) = try CheckpointImporter.readWithReference(
      path: source, options: importing)
    var verification: Verification?
    let pool = try WorkerPool(threads: writing.threads)
    if let tolerance {
      do {
        let result =
          if let reference {
            try Verification.compare(
              checkpoint, with: reference, tolerance: tolerance, pool: pool)
          } else {
            try Verification.check(checkpoint, pool: pool)
          }
        checkpoint.provenance["verification"] = result.summary
        verification = result
      } catch {
        throw error.inFile(source)
      }
    }
    let canBeReadBack = try OutputDestination.canBeReadBack(destination)
    let summary = try ContainerWriter.write(checkpoint, to: destination, options: writing)
    var warnings = checkpoint.warnings
    if tolerance != nil, canBeReadBack {
      try Verification.roundTrip(checkpoint, destination, pool: pool)
    } else if tolerance != nil {
      warnings.append("\(destination) is no file, so what was written was not read back")
    }
    return Report(
      architecture: checkpoint.architecture, warnings: warnings,
      verification: verification,
      hasTokenizer: checkpoint.tokenizer != nil, summary: summary)
  }
}
