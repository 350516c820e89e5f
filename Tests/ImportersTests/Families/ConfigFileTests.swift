import Testing

@testable import Importers
@testable import Model

/// Settings beside a checkpoint: what is taken from them and what is refused.
@Suite struct ConfigFileTests {
  private let folder: TestFolder

  init() throws { folder = try TestFolder() }

  private func read(
    _ layout: any FamilyLayout, _ architecture: Architecture = .smallCLIP,
    _ options: ImportOptions = ImportOptions()
  ) throws -> Checkpoint {
    let path = try folder.write(
      "model.safetensors", safetensors(layout.foreignTensors(of: architecture)))
    return try CheckpointImporter.read(path: path, options: options)
  }

  private func writeOpenCLIP(_ model: String, preprocess: String = "{}") throws {
    try folder.write(
      "open_clip_config.json", "{\"model_cfg\":\(model),\"preprocess_cfg\":\(preprocess)}")
  }

  private func writeHuggingFace(vision: String = "{}", text: String = "{}") throws {
    try folder.write(
      "config.json", #"{"model_type":"clip","vision_config":\#(vision),"text_config":\#(text)}"#)
  }

  @Test func openCLIPSettingsAreUsed() throws {
    try writeOpenCLIP(
      #"{"vision_cfg":{"width":64,"head_width":16},"text_cfg":{"width":64,"heads":2,"#
        + #""norm_kwargs":{"eps":1e-6}}}"#,
      preprocess: #"{"mean":[0.5,0.25,1],"std":[0.5,0.5,2]}"#)
    let checkpoint = try read(OpenCLIP(text: .plain))
    let vision = checkpoint.architecture.vision.transformer
    #expect(vision.heads == 4)
    #expect(vision.activation == .gelu)
    #expect(vision.layerNormEpsilon == 1e-5)
    #expect(checkpoint.architecture.text?.transformer.heads == 2)
    #expect(checkpoint.architecture.text?.transformer.layerNormEpsilon == 1e-6)
    #expect(
      checkpoint.architecture.preprocessing
        == Preprocessing(mean: [0.5, 0.25, 1], deviation: [0.5, 0.5, 2]))
    #expect(checkpoint.warnings.count == 1 && checkpoint.warnings[0].hasPrefix("no tokenizer"))
    #expect(checkpoint.provenance["activation"] == "gelu (open_clip_config.json)")
  }

  @Test func quickGELUIsTakenFromTheSettings() throws {
    try writeOpenCLIP(#"{"quick_gelu":true}"#)
    #expect(
      try read(OpenCLIP(text: .plain)).architecture.vision.transformer.activation == .quickGELU)
    #expect(
      try read(EVA02.timm, .smallEVA02).architecture.text?.transformer.activation == .quickGELU)
    let asked = try read(
      OpenCLIP(text: .plain), .smallCLIP, ImportOptions(activation: .gelu, heads: 2))
    #expect(asked.architecture.vision.transformer.activation == .gelu)
    #expect(
      asked.warnings.prefix(2) == [
        "open_clip_config.json records the activation quick_gelu; used gelu as asked",
        "open_clip_config.json records 1 heads; used 2 as asked",
      ])
  }

  @Test(arguments: [
    (
      #"{"vision_cfg":{"width":768}}"#,
      "'model_cfg.vision_cfg.width' at byte 36: 768 contradicts the tensors, expected 64; the"
        + " file belongs to another model; remove it or fetch the right one"
    ),
    (
      #"{"vision_cfg":{"head_width":0}}"#,
      "'model_cfg.vision_cfg.head_width' at byte 41: is 0, expected a positive integer"
    ),
    (
      #"{"vision_cfg":{"pool_type":"avg"}}"#,
      "'model_cfg.vision_cfg.pool_type' at byte 40: 'avg' is not supported, expected 'tok'"
    ),
    (
      #"{"text_cfg":{"no_causal_mask":true}}"#,
      "'model_cfg.text_cfg.no_causal_mask' at byte 43: true is not supported, expected false"
    ),
    (
      #"{"text_cfg":{"act_kwargs":{"approximate":"tanh"}}}"#,
      "'model_cfg.text_cfg.act_kwargs' at byte 39: an object is not supported, expected no such"
        + " setting"
    ),
    (#"{"quick_gelu":1}"#, "'model_cfg.quick_gelu' at byte 27: is 1, expected true or false"),
    ("[", "at byte 14: invalid JSON: ',', expected a value"),
  ])
  func openCLIPSettingsThatCannotBeMet(model: String, message: String) throws {
    try writeOpenCLIP(model)
    expectError("\(folder("open_clip_config.json")): \(message)") {
      try read(OpenCLIP(text: .plain))
    }
  }

  @Test func visionOnlyDoesNotAskForTheTextSettings() throws {
    try writeOpenCLIP(#"{"text_cfg":{"no_causal_mask":true,"width":3}}"#)
    let checkpoint = try read(
      OpenCLIP(text: .plain), .smallCLIP, ImportOptions(visionOnly: true))
    #expect(checkpoint.architecture.text == nil)
    #expect(checkpoint.provenance["options.vision-only"] == "true")
    #expect(checkpoint.warnings == [])
  }

  @Test func huggingFaceDefaultsStandForAbsentSettings() throws {
    try writeHuggingFace(
      vision: #"{"hidden_size":64,"num_attention_heads":4,"hidden_act":"gelu"}"#)
    try folder.write(
      "preprocessor_config.json", #"{"image_mean":[0,0,0],"image_std":[1,1,1]}"#)
    let checkpoint = try read(HuggingFaceCLIP())
    #expect(checkpoint.architecture.vision.transformer.heads == 4)
    #expect(checkpoint.architecture.vision.transformer.activation == .gelu)
    #expect(checkpoint.architecture.text?.transformer.heads == 8)
    #expect(checkpoint.architecture.text?.transformer.activation == .quickGELU)
    #expect(checkpoint.architecture.text?.pooledToken == nil)
    #expect(checkpoint.architecture.preprocessing.deviation == [1, 1, 1])
    #expect(checkpoint.warnings.count == 1)
  }

  @Test(arguments: [("2", nil), ("519", nil), ("300", 300)] as [(String, Int?)])
  func textsArePooledAtTheRecordedToken(recorded: String, pooled: Int?) throws {
    try writeHuggingFace(
      vision: #"{"num_attention_heads":1}"#, text: #"{"eos_token_id":\#(recorded)}"#)
    #expect(try read(HuggingFaceCLIP()).architecture.text?.pooledToken == pooled)
  }

  @Test func visionConfigurationsStandOnTheirOwn() throws {
    try folder.write(
      "config.json",
      #"{"model_type":"clip_vision_model","num_attention_heads":2,"layer_norm_eps":1e-6}"#)
    var visionOnly = Architecture.smallCLIP
    visionOnly.text = nil
    let vision = try read(HuggingFaceCLIP(), visionOnly).architecture.vision
    #expect(vision.transformer.heads == 2)
    #expect(vision.transformer.layerNormEpsilon == 1e-6)
  }

  @Test func huggingFaceWithoutSettingsIsAssumed() throws {
    #expect(
      try read(HuggingFaceCLIP()).warnings.prefix(2) == [
        "activation is not recorded in the file; assumed quick_gelu (OpenAI weights); fetch"
          + " config.json beside the file, or pass --activation gelu for most other weights",
        "heads are not recorded in the file; assumed 1 of size 64 for the vision width 64: pass"
          + " --heads if this is wrong",
      ])
  }

  @Test func huggingFaceSettingsThatCannotBeMet() throws {
    let path = folder("config.json")
    try folder.write("config.json", #"{"model_type":"siglip"}"#)
    expectError(
      "\(path): 'model_type' at byte 14: 'siglip', expected 'clip' or 'clip_vision_model'; the"
        + " file belongs to another model; remove it or fetch the right one"
    ) { try read(HuggingFaceCLIP()) }
    try folder.write("config.json", "{}")
    expectError(
      "\(path): 'model_type': is absent, expected 'clip' or 'clip_vision_model'; the file belongs"
        + " to another model; remove it or fetch the right one"
    ) { try read(HuggingFaceCLIP()) }
    try writeHuggingFace(vision: #"{"hidden_act":"relu"}"#)
    expectError(
      "\(path): 'vision_config.hidden_act' at byte 51: 'relu' is not supported, expected"
        + " quick_gelu or gelu"
    ) { try read(HuggingFaceCLIP()) }
    try writeHuggingFace(vision: #"{"num_attention_heads":5}"#)
    expectError(
      "\(folder("model.safetensors")): architecture: vision width 64 with 5 heads, expected a"
        + " width that the heads divide"
    ) { try read(HuggingFaceCLIP()) }
    try folder.write("preprocessor_config.json", #"{"image_mean":[0,0],"image_std":[1,1,1]}"#)
    expectError(
      "\(folder("preprocessor_config.json")): 'image_mean' at byte 14: is an array, expected three"
        + " numbers"
    ) { try read(HuggingFaceCLIP()) }
  }
}
