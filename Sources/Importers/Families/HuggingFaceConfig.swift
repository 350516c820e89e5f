import Model

/// What `config.json` and `preprocessor_config.json` beside a checkpoint of `transformers` say.
///
/// The library leaves out settings that equal its defaults, so an absent setting means the
/// default of `CLIPVisionConfig` or `CLIPTextConfig` and is no reason to guess.
struct HuggingFaceConfig {
  private let file: ConfigFile
  private let isVisionOnly: Bool

  /// Reads `config.json` beside the checkpoint; nil where there is none.
  ///
  /// Throws `badData` where it describes something else than a CLIP model.
  static func beside(_ source: CheckpointSource) throws(DeclipError) -> HuggingFaceConfig? {
    guard let file = try ConfigFile.named("config.json", beside: source) else { return nil }
    let type = try file.text(["model_type"])
    guard let type, ["clip", "clip_vision_model"].contains(type) else {
      throw DeclipError(
        .badData, type.map { quoted($0) } ?? "is absent", file: file.path, place: "'model_type'",
        offset: file.json.member(["model_type"])?.offset,
        expected: "'clip' or 'clip_vision_model'",
        remedy: "the file belongs to another model; remove it or fetch the right one")
    }
    return HuggingFaceConfig(file: file, isVisionOnly: type == "clip_vision_model")
  }

  /// The constants of `preprocessor_config.json` beside the checkpoint, where there are any.
  static func preprocessing(
    beside source: CheckpointSource
  ) throws(DeclipError) -> Preprocessing? {
    try ConfigFile.named("preprocessor_config.json", beside: source)?
      .preprocessing(mean: ["image_mean"], deviation: ["image_std"])
  }

  /// The file's name, for sentences.
  var name: String { file.name }

  /// Throws `badData` where the recorded width of a tower is not that of the tensors.
  func check(_ tower: Tower, width: Int) throws(DeclipError) {
    try file.check(keys(tower, "hidden_size"), is: width)
  }

  /// The heads of a tower.
  func heads(of tower: Tower) throws(DeclipError) -> Int {
    try file.count(keys(tower, "num_attention_heads")) ?? (tower == .vision ? 12 : 8)
  }

  /// The epsilon of a tower's norms.
  func epsilon(of tower: Tower) throws(DeclipError) -> Float {
    try file.number(keys(tower, "layer_norm_eps")) ?? 1e-5
  }

  /// The nonlinearity of a tower; throws `badData` for one that is not supported.
  func activation(of tower: Tower) throws(DeclipError) -> Activation {
    let keys = keys(tower, "hidden_act")
    guard let name = try file.text(keys) else { return .quickGELU }
    guard let activation = Activation(rawValue: name), activation != .silu else {
      throw DeclipError(
        .badData, "\(quoted(name)) is not supported", file: file.path,
        place: quoted(keys.joined(separator: ".")), offset: file.json.member(keys)?.offset,
        expected: "quick_gelu or gelu")
    }
    return activation
  }

  /// The token at whose first place texts are pooled; nil for the highest id, which is also what
  /// the library takes where an old file records 2.
  func pooledToken(vocabularySize: Int) throws(DeclipError) -> Int? {
    let token = try file.count(keys(.text, "eos_token_id"))
    return token == 2 || token == vocabularySize - 1 ? nil : token
  }

  private func keys(_ tower: Tower, _ key: String) -> [String] {
    isVisionOnly && tower == .vision ? [key] : ["\(tower.rawValue)_config", key]
  }
}
