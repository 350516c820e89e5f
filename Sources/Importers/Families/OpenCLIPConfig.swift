import Model

/// What `open_clip_config.json` beside a checkpoint says about it.
struct OpenCLIPConfig {
  private let file: ConfigFile
  private let vision = ["model_cfg", "vision_cfg"]
  private let text = ["model_cfg", "text_cfg"]

  /// Reads the file beside the checkpoint; nil where there is none.
  static func beside(_ source: CheckpointSource) throws(DeclipError) -> OpenCLIPConfig? {
    try ConfigFile.named("open_clip_config.json", beside: source).map { OpenCLIPConfig(file: $0) }
  }

  private init(file: ConfigFile) { self.file = file }

  /// The file's name, for sentences.
  var name: String { file.name }

  /// The nonlinearity of both towers, exact GELU where the file asks for nothing else.
  func activation() throws(DeclipError) -> Activation {
    try file.flag(["model_cfg", "quick_gelu"]) == true ? .quickGELU : .gelu
  }

  /// The heads of the vision tower; OpenCLIP's heads have 64 channels where nothing is recorded.
  func visionHeads(width: Int) throws(DeclipError) -> Int {
    try file.check(vision + ["width"], is: width)
    return max(1, width / (try file.count(vision + ["head_width"]) ?? 64))
  }

  /// The heads of the text tower; 8 where nothing is recorded, OpenCLIP's own default.
  func textHeads(width: Int) throws(DeclipError) -> Int {
    try file.check(text + ["width"], is: width)
    return try file.count(text + ["heads"]) ?? 8
  }

  /// The epsilon of the vision tower's norms.
  func visionEpsilon() throws(DeclipError) -> Float? {
    try file.number(vision + ["norm_kwargs", "eps"])
  }

  /// The epsilon of the text tower's norms.
  func textEpsilon() throws(DeclipError) -> Float? {
    try file.number(text + ["norm_kwargs", "eps"])
  }

  /// The preprocessing constants, where they are recorded.
  func preprocessing() throws(DeclipError) -> Preprocessing? {
    try file.preprocessing(
      mean: ["preprocess_cfg", "mean"], deviation: ["preprocess_cfg", "std"])
  }

  /// Throws `badData` for settings that change what the vision tower computes.
  func checkVision() throws(DeclipError) {
    try file.refuse(vision + ["attentional_pool"], unless: "false")
    try file.refuse(vision + ["pool_type"], unless: "'tok'")
    try file.refuse(vision + ["timm_pool"], unless: "'token'")
    try file.refuse(vision + ["act_kwargs"])
  }

  /// Throws `badData` for settings that change what the text tower computes.
  func checkText() throws(DeclipError) {
    try file.refuse(text + ["embed_cls"], unless: "false")
    try file.refuse(text + ["no_causal_mask"], unless: "false")
    try file.refuse(text + ["pool_type"], unless: "'argmax'")
    try file.refuse(text + ["act_kwargs"])
  }
}
