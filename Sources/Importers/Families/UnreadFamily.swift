import Model

/// A family of models that is known by name and not read yet.
struct UnreadFamily {
  /// What the model is, with its article.
  let name: String
  /// What told it, for the error.
  let sign: String

  /// The refusal, in under 200 characters beside the file's name.
  var error: DeclipError {
    DeclipError(
      .badData, "is \(name) (\(sign)), which is not read yet", expected: Self.familiesRead)
  }

  /// What is read, in words.
  static let familiesRead = "a CLIP, OpenCLIP, EVA02-CLIP or DeCLIP model"

  /// The family of a checkpoint that no layout fits; nil where nothing tells it.
  static func of(_ source: CheckpointSource) -> UnreadFamily? {
    recorded(beside: source) ?? told(by: tensorSigns, in: source)
      ?? unknownRecord(beside: source)
  }

  /// The family of a checkpoint that `layout` fits although it is another model's.
  static func disguised(
    as layout: any FamilyLayout, _ source: CheckpointSource
  ) -> UnreadFamily? {
    if let family = told(by: disguises, in: source) { return family }
    // Other libraries' layouts may lie beside a file that describes the same model otherwise.
    guard layout is HuggingFaceCLIP,
      let file = try? ConfigFile.named("config.json", beside: source),
      let type = try? file.text(["model_type"]), typesInCLIPsNames.contains(type)
    else { return nil }
    return recorded(beside: source)
  }

  // MARK: Configuration files

  /// The family that a configuration file beside the checkpoint names.
  private static func recorded(beside source: CheckpointSource) -> UnreadFamily? {
    for record in records(beside: source) {
      let value = record.value.lowercased()
      // Names of timm's models have the family last.
      let name = modelTypes.first { value.hasPrefix($0.type) || value.contains("_" + $0.type) }?
        .name
      if let name { return UnreadFamily(name: name, sign: record.sign) }
    }
    return nil
  }

  /// A name in a configuration file that is not of the tables.
  private static func unknownRecord(beside source: CheckpointSource) -> UnreadFamily? {
    records(beside: source).first { !$0.value.lowercased().hasPrefix("clip") }
      .map { UnreadFamily(name: "another model", sign: $0.sign) }
  }

  /// What `config.json` and `open_clip_config.json` call the model; a damaged file says nothing.
  private static func records(
    beside source: CheckpointSource
  ) -> [(value: String, sign: String)] {
    let places = [
      ("open_clip_config.json", ["model_cfg", "vision_cfg", "timm_model_name"]),
      ("config.json", ["model_type"]), ("config.json", ["architecture"]),
    ]
    var records: [(String, String)] = []
    for (name, keys) in places {
      guard let file = try? ConfigFile.named(name, beside: source),
        let value = try? file.text(keys), let key = keys.last
      else { continue }
      records.append((value, "\(key) \(quoted(value, limit: 40)) in \(name)"))
    }
    if let file = try? ConfigFile.named("config.json", beside: source),
      let value = file.json.member(["architectures"])?.array?.first?.string
    {
      records.append((value, "architectures \(quoted(value, limit: 40)) in config.json"))
    }
    return records
  }

  /// Models of transformers that have every tensor of its CLIP.
  private static let typesInCLIPsNames: Set = [
    "altclip", "chinese_clip", "clipseg", "metaclip_2", "xclip",
  ]

  /// What configuration files call models, in the order in which it is looked for.
  private static let modelTypes: [(type: String, name: String)] = [
    ("siglip2", "a SigLIP 2 model"), ("siglip", "a SigLIP model"),
    ("dinov2_with_registers", "a DINOv2 model with registers"),
    ("dinov2withregisters", "a DINOv2 model with registers"), ("dinov2", "a DINOv2 model"),
    ("dinov3", "a DINOv3 model"), ("chinese_clip", "a Chinese-CLIP model"),
    ("chineseclip", "a Chinese-CLIP model"), ("altclip", "an AltCLIP model"),
    ("clipseg", "a CLIPSeg model"), ("metaclip_2", "a MetaCLIP 2 model"),
    ("vision-text-dual-encoder", "a pair of towers that transformers joined"),
    ("visiontextdualencoder", "a pair of towers that transformers joined"),
    ("blip", "a BLIP model"), ("align", "an ALIGN model"), ("flava", "a FLAVA model"),
    ("groupvit", "a GroupViT model"), ("owlv", "an OWL-ViT model"), ("xclip", "an X-CLIP model"),
    ("clap", "a CLAP model of sounds"), ("beit", "a BEiT model"), ("deit", "a DeiT model"),
    ("swin", "a Swin transformer"), ("convnext", "a ConvNeXt"), ("resnet", "a ResNet"),
    ("mobilevit", "a MobileViT"), ("fastvit", "a FastViT (MobileCLIP)"),
    ("mobileclip", "a MobileCLIP model"), ("tinyvit", "a TinyViT"), ("tiny_vit", "a TinyViT"),
    ("vitamin", "a ViTamin model"), ("bert", "a language model"), ("roberta", "a language model"),
    ("llama", "a language model"), ("gpt", "a language model"), ("qwen", "a language model"),
    ("vit_", "a ViT of timm"), ("vit", "a ViT without CLIP's projection"),
  ]

  // MARK: Tensors

  /// A piece of a tensor's name that only one family has.
  private typealias Sign = (piece: String, name: String)

  private static func told(by signs: [Sign], in source: CheckpointSource) -> UnreadFamily? {
    for sign in signs {
      let piece = Array(sign.piece.utf8)
      if let tensor = source.tensors.first(where: { contains($0.name.utf8, piece) }) {
        return UnreadFamily(
          name: sign.name, sign: "tensor \(quoted(tensor.name, limit: 60))")
      }
    }
    return nil
  }

  /// Whether a name contains a piece that begins it or follows a dot.
  private static func contains(_ name: String.UTF8View, _ piece: [UInt8]) -> Bool {
    var rest = name[...]
    while !rest.starts(with: piece) {
      guard let dot = rest.firstIndex(of: UInt8(ascii: ".")) else { return false }
      rest = rest[rest.index(after: dot)...]
    }
    return true
  }

  /// What models have beside everything that CLIP has.
  private static let disguises: [Sign] = [
    ("visual.attn_pool.", "a CoCa model or a CLIP with attention pooling"),
    ("text_decoder.", "a CoCa model"),
  ]

  /// In the order in which they are looked for: what tells more comes first.
  private static let tensorSigns: [Sign] =
    disguises + [
      ("visual.trunk.attn_pool.", "a SigLIP model of open_clip"),
      ("vision_model.head.probe", "a SigLIP model of transformers"),
      ("head.probe", "a SigLIP vision tower of transformers"),
      ("attn_pool.", "a ViT with attention pooling, such as SigLIP's"),
      ("attnpool.", "a CLIP ResNet"), ("embeddings.register_tokens", "a DINOv2 with registers"),
      ("register_tokens", "a DINOv2 with registers"), ("reg_token", "a ViT with registers"),
      ("layer_scale1", "a DINOv2, a ViT with layer scales"), ("ls1", "a ViT with layer scales"),
      ("layer_scale", "a ViT with layer scales"), ("ls_1", "a ViT with layer scales"),
      ("vision_model.vision_model", "a pair of towers that transformers joined"),
      ("text_model.text_model", "a pair of towers that transformers joined"),
      ("layer1.0", "a ResNet"), ("conv_dw", "a ConvNeXt"), ("token_mixer", "a MobileCLIP model"),
      ("visual.trunk", "a CLIP whose vision tower is of timm"),
      ("visual.blocks.0.attn.qkv", "an EVA01-CLIP model"),
      ("relative_position_bias_table", "a model with relative positions, such as Swin or BEiT"),
      ("image_encoder", "a model with an image encoder of its own"),
      ("embeddings.patch_embeddings", "a ViT of transformers without CLIP's projection"),
      ("blocks.0.attn.qkv", "a ViT of timm without CLIP's projection"),
      ("text_model.embeddings", "a text tower alone"),
      ("embed_tokens", "a language model"), ("word_embeddings", "a language model"),
    ]
}
