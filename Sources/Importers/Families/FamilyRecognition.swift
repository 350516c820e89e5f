import Model

/// Says that a model's text tower, told by `sign`, is not part of the converted one.
func leftOutText(_ sign: String) -> String {
  "the text tower (\(sign)) is of a kind that is not read and was left out: declip-run needs class"
    + " embeddings with --embeddings"
}

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
    if architecture.text == nil, !options.visionOnly, let name = textTensor(of: model, layout) {
      notes.warnings.append(leftOutText(quoted(name, limit: 60)))
    }
    let assembly = TensorAssembly(model: model, layout: layout, architecture: architecture)
    let tensors = try assembly.tensors()
    if let warning = assembly.surplusWarning { notes.warnings.append(warning) }
    notes.provenance["layout"] = layout.name
    let checkpoint = Checkpoint(
      architecture: architecture, tensors: tensors, provenance: notes.provenance,
      warnings: notes.warnings)
    return (checkpoint, layout)
  }

  /// The first tensor of a text tower that `layout` does not read; nil where there is none.
  private static func textTensor(
    of model: ForeignModel, _ layout: any FamilyLayout
  ) -> String? {
    let prefixes = (layout.textPrefixes + ["text.", "text_model.", "text_encoder."]).map {
      model.prefix + $0
    }
    return model.source.tensors.first { tensor in prefixes.contains(where: tensor.name.hasPrefix) }?
      .name
  }

  private static func recognise(
    _ model: ForeignModel
  ) throws(DeclipError) -> (any FamilyLayout, ForeignModel) {
    for prefix in ForeignModel.wrapperPrefixes {
      let candidate = model.behind(prefix)
      for layout in familyLayouts where layout.signature.allSatisfy(candidate.has) {
        if let family = UnreadFamily.disguised(as: layout, model.source) { throw family.error }
        return (layout, candidate)
      }
    }
    throw unrecognised(model.source)
  }

  private static func unrecognised(_ source: CheckpointSource) -> DeclipError {
    guard let first = source.tensors.first else {
      return DeclipError(
        .badData, "the file holds no tensors", expected: UnreadFamily.familiesRead)
    }
    if let family = UnreadFamily.of(source) { return family.error }
    let count = source.tensors.count
    return DeclipError(
      .badData,
      (count == 1 ? "its tensor tells" : "its \(count) tensors tell") + " no family that is known ("
        + (count == 1 ? "it is " : "the first is ") + quoted(first.name, limit: 60) + ")",
      expected: UnreadFamily.familiesRead)
  }
}
