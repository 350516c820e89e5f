import Files
import Model

/// Writes `.declip` files, as `formats/declip.md` specifies them.
public enum ContainerWriter {
  /// Writes `checkpoint` to `path`; the file appears under that name whole or not at all.
  ///
  /// The same checkpoint and options make the same bytes for any number of threads. Memory stays
  /// bounded by a few frames a thread, whatever the model's size.
  ///
  /// Throws `badData` where the tensors are not those of the architecture, all of them named, or
  /// hold values that the precision cannot; `usage` for impossible options; `cannotCreate` and
  /// `inputOutput` where the file cannot be written.
  @discardableResult
  public static func write(
    _ checkpoint: Checkpoint, to path: String, options: ContainerOptions
  ) throws(DeclipError) -> ContainerSummary {
    try write(checkpoint, extras: [], to: path, options: options)
  }

  /// Writes tensors that the architecture does not know as well, after those that it does.
  static func write(
    _ checkpoint: Checkpoint, extras: [(name: String, tensor: Tensor)], to path: String,
    options: ContainerOptions
  ) throws(DeclipError) -> ContainerSummary {
    do throws(DeclipError) {
      try options.validate()
      let plan = try WritingPlan(checkpoint, extras: extras, options)
      return try plan.write(to: path)
    } catch {
      throw error.inFile(path)
    }
  }
}
