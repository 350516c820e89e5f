import Model

/// The search of a folder for checkpoints under their usual names.
enum CheckpointFolder {
  /// In order of preference.
  private static let usualNames = [
    "model.safetensors", "open_clip_model.safetensors", "model.safetensors.index.json",
    "open_clip_model.safetensors.index.json", "pytorch_model.bin", "open_clip_pytorch_model.bin",
    "model.onnx", "vision_model.onnx",
  ]

  /// Folders that hold the checkpoint in repositories of sentence-transformers and transformers.js.
  private static let inner = ["0_CLIPModel", "onnx"]

  /// The checkpoints of a folder, in the order in which they are tried.
  ///
  /// Throws `missingInput` where there is none.
  static func candidates(in folder: String) throws(DeclipError) -> [String] {
    let folders = [folder] + inner.map { Path.join(folder, $0) }
    let paths = folders.flatMap { folder in usualNames.map { Path.join(folder, $0) } }
      .filter { Path.exists($0) && !Path.isFolder($0) }
    guard !paths.isEmpty else {
      throw DeclipError(
        .missingInput, "holds no checkpoint under a usual name", file: folder,
        expected: usualNames.joined(separator: ", "),
        remedy: "name the checkpoint file itself")
    }
    return paths
  }

  /// What is said of a candidate that was refused where a later one was read.
  static func warning(_ refused: DeclipError) -> String {
    let place = refused.place.map { "\($0): " } ?? ""
    let reason = refused.problem.split(separator: "\n").first ?? ""
    return "\(Path.name(of: refused.file ?? "")) was passed over: \(place)\(reason)"
  }

  /// What refuses a folder all of whose candidates were refused: the first one's reason.
  static func refusal(_ refused: [DeclipError]) -> DeclipError {
    guard var error = refused.first else { return DeclipError(.internal, "has no candidate") }
    let others = refused.count - 1
    guard others > 0 else { return error }
    let note =
      others == 1
      ? "1 other file of the folder was refused too"
      : "\(others) other files of the folder were refused too"
    error.remedy = error.remedy.map { "\($0); \(note)" } ?? note
    return error
  }

  /// The checkpoint as if it lay in the folder above, where it lies in an inner folder.
  static func above(_ source: CheckpointSource) -> CheckpointSource? {
    let folder = Path.folder(of: source.path)
    guard inner.contains(Path.name(of: folder)) else { return nil }
    return CheckpointSource(
      path: Path.join(Path.folder(of: folder), Path.name(of: source.path)),
      format: source.format, files: [], tensors: [], metadata: [:], budget: source.budget)
  }
}
