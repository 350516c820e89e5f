import Model

/// Finds the layout that a checkpoint has, and reads the checkpoint by it.
enum FamilyRecognition {
  /// The canonical checkpoint of a foreign one, without its tokenizer.
  ///
  /// Throws `badData` where no layout fits, and where tensors are missing or have other shapes
  /// or types than the layout requires.
  static func read(
    _ source: CheckpointSource, options: ImportOptions
  ) throws(DeclipError) -> (checkpoint: Checkpoint, layout: any FamilyLayout) {
    let (layout, model) = try recognise(ForeignModel(source, options: options))
    var notes = ImportNotes()
    let architecture = try layout.architecture(of: model, notes: &notes)
    try architecture.validate()
    let assembly = TensorAssembly(model: model, layout: layout, architecture: architecture)
    let tensors = try assembly.tensors()
    if let warning = assembly.surplusWarning { notes.warnings.append(warning) }
    notes.provenance["layout"] = layout.name
    let checkpoint = Checkpoint(
      architecture: architecture, tensors: tensors, provenance: notes.provenance,
      warnings: notes.warnings)
    return (checkpoint, layout)
  }

  private static func recognise(
    _ model: ForeignModel
  ) throws(DeclipError) -> (any FamilyLayout, ForeignModel) {
    for prefix in ForeignModel.wrapperPrefixes {
      let candidate = model.behind(prefix)
      for layout in familyLayouts where layout.signature.allSatisfy(candidate.has) {
        return (layout, candidate)
      }
    }
    throw unrecognised(model.source)
  }

  private static func unrecognised(_ source: CheckpointSource) -> DeclipError {
    let names = source.tensors.prefix(4).map { quoted($0.name) }.joined(separator: ", ")
    let found =
      source.tensors.isEmpty
      ? "the file holds no tensors"
      : "none of its \(source.tensors.count) tensors tells a family that can be read"
        + " (the first are \(names))"
    let sought = familyLayouts.map { layout in
      layout.name + " with " + layout.signature.map { quoted($0) }.joined(separator: " and ")
    }
    return DeclipError(.badData, found, expected: sought.joined(separator: ", or "))
  }
}
