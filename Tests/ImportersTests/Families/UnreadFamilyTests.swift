import Testing

@testable import Importers
@testable import Model

@Suite struct UnreadFamilyTests {
  private static let ending =
    ", which is not read yet, expected a CLIP, OpenCLIP, EVA02-CLIP or DeCLIP model"

  private static let tensors: [(tensor: String, name: String)] = [
    ("visual.trunk.attn_pool.latent", "a SigLIP model of open_clip"),
    ("vision_model.head.probe", "a SigLIP model of transformers"),
    ("attn_pool.latent", "a ViT with attention pooling, such as SigLIP's"),
    ("visual.attn_pool.query", "a CoCa model or a CLIP with attention pooling"),
    ("visual.attnpool.positional_embedding", "a CLIP ResNet"),
    ("layer1.0.conv1.weight", "a ResNet"), ("visual.layer1.0.conv1.weight", "a ResNet"),
    ("embeddings.register_tokens", "a DINOv2 with registers"),
    ("encoder.layer.0.layer_scale1.lambda1", "a DINOv2, a ViT with layer scales"),
    ("blocks.0.ls1.gamma", "a ViT with layer scales"),
    ("vision_model.vision_model.encoder.layers.0.x", "a pair of towers that transformers joined"),
    ("visual.trunk.blocks.0.attn.qkv.weight", "a CLIP whose vision tower is of timm"),
    ("visual.trunk.stages.0.blocks.0.conv_dw.weight", "a ConvNeXt"),
    ("blocks.0.attn.qkv.weight", "a ViT of timm without CLIP's projection"),
    ("text_model.embeddings.token_embedding.weight", "a text tower alone"),
    ("model.embed_tokens.weight", "a language model"),
  ]

  @Test(arguments: tensors) func familiesAreNamedByTheirTensors(tensor: String, name: String) {
    let text = "is \(name) (tensor '\(tensor)')" + Self.ending
    #expect(text.count < 200)
    expectError(text) {
      try FamilyRecognition.read(
        CheckpointSource([.float32("first", [1]), .float32(tensor, [1])]),
        options: ImportOptions())
    }
  }

  private static let records: [(file: String, content: String, sign: String, name: String)] = [
    ("config.json", #"{"model_type": "siglip"}"#, "model_type 'siglip'", "a SigLIP model"),
    (
      "config.json", #"{"model_type": "dinov2_with_registers"}"#,
      "model_type 'dinov2_with_registers'", "a DINOv2 model with registers"
    ),
    (
      "config.json", #"{"architecture": "vit_base_patch16_siglip_224"}"#,
      "architecture 'vit_base_patch16_siglip_224'", "a SigLIP model"
    ),
    (
      "config.json", #"{"architectures": ["ChineseCLIPModel"]}"#,
      "architectures 'ChineseCLIPModel'", "a Chinese-CLIP model"
    ),
    (
      "open_clip_config.json",
      #"{"model_cfg": {"vision_cfg": {"timm_model_name": "convnext_base"}}}"#,
      "timm_model_name 'convnext_base'", "a ConvNeXt"
    ),
    ("config.json", #"{"model_type": "quux"}"#, "model_type 'quux'", "another model"),
  ]

  @Test(arguments: records.indices) func familiesAreNamedByTheirConfiguration(index: Int) throws {
    let (file, content, sign, name) = Self.records[index]
    let folder = try TestFolder()
    try folder.write(file, content)
    let path = try folder.write("model.safetensors", safetensors([.float32("w", [1])]))
    let text = "is \(name) (\(sign) in \(file))" + Self.ending
    #expect(text.count < 200)
    expectError("\(path): \(text)") { try CheckpointImporter.read(path: path) }
  }

  /// Tensors that fit a layout are not enough.
  @Test func otherModelsInCLIPsNamesAreRefused() throws {
    let folder = try TestFolder()
    let tensors = HuggingFaceCLIP().foreignTensors(of: .smallCLIP)
    try folder.write("config.json", #"{"model_type": "clipseg"}"#)
    let path = try folder.write("model.safetensors", safetensors(tensors))
    expectError(
      "\(path): is a CLIPSeg model (model_type 'clipseg' in config.json)" + Self.ending
    ) { try CheckpointImporter.read(path: path) }
    let coca = OpenCLIP(text: .plain).foreignTensors(of: .smallCLIP)
    expectError(
      "is a CoCa model or a CLIP with attention pooling (tensor 'visual.attn_pool.query')"
        + Self.ending
    ) {
      try FamilyRecognition.read(
        CheckpointSource(coca + [.float32("visual.attn_pool.query", [1])]),
        options: ImportOptions())
    }
  }

  /// What lies beside a file in another library's layout describes another file.
  @Test func configurationsOfOtherLibrariesAreNoObstacle() throws {
    let folder = try TestFolder()
    try folder.write("config.json", #"{"architecture": "vit_base_patch16_clip_224"}"#)
    let path = try folder.write(
      "open_clip_model.safetensors",
      safetensors(OpenCLIP(text: .plain).foreignTensors(of: .smallCLIP)))
    #expect(try CheckpointImporter.read(path: path).architecture == .smallCLIP)
  }
}
