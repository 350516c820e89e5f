import Testing

@testable import Importers
@testable import Model

@Suite struct FamilyRecognitionTests {
  private func read(
    _ tensors: [SourceTensor], _ options: ImportOptions = ImportOptions()
  ) throws -> Checkpoint {
    try FamilyRecognition.read(CheckpointSource(tensors), options: options).checkpoint
  }

  /// Every layout with a model that it can hold.
  static let models: [(any FamilyLayout, Architecture)] = [
    (OpenCLIP(text: .plain), .smallCLIP), (OpenCLIP(text: .custom), .smallCLIP),
    (HuggingFaceCLIP(), .smallCLIP), (EVA02.original, .smallEVA02), (EVA02.timm, .smallEVA02),
  ]

  @Test(arguments: models.indices)
  func everyLayoutIsRecognisedBehindEveryPrefix(index: Int) throws {
    let (layout, architecture) = Self.models[index]
    for prefix in ForeignModel.wrapperPrefixes {
      let checkpoint = try read(layout.foreignTensors(of: architecture, prefix: prefix))
      #expect(checkpoint.architecture == architecture)
      #expect(checkpoint.provenance["layout"] == layout.name)
      #expect(checkpoint.tensors.count == architecture.tensors.count)
      for specification in architecture.tensors {
        #expect(checkpoint.tensors[specification.role]?.shape == specification.shape)
      }
    }
  }

  @Test(arguments: models.indices)
  func textTowersAreOptional(index: Int) throws {
    let (layout, architecture) = Self.models[index]
    var visionOnly = architecture
    visionOnly.text = nil
    // A custom text tower is what tells its layout.
    let checkpoint = try read(layout.foreignTensors(of: visionOnly))
    #expect(checkpoint.architecture == visionOnly)
    let dropped = try read(
      layout.foreignTensors(of: architecture), ImportOptions(visionOnly: true))
    #expect(dropped.architecture == visionOnly)
    #expect(!dropped.warnings.contains { $0.contains("left out") })
  }

  @Test func textTowersThatAreNotReadAreSaidToBeLeftOut() throws {
    var architecture = Architecture.smallCLIP
    architecture.text = nil
    let name = "text.transformer.embeddings.word_embeddings.weight"
    let tensors =
      OpenCLIP(text: .plain).foreignTensors(of: architecture) + [.float32(name, [1])]
    let text =
      "the text tower ('\(name)') is of a kind that is not read and was left out: declip-run needs"
      + " class embeddings with --embeddings"
    #expect(try read(tensors).warnings.contains(text))
    #expect(
      try !read(tensors, ImportOptions(visionOnly: true)).warnings.contains {
        $0.contains("--embeddings")
      })
  }

  @Test(arguments: models.indices)
  func headsAreThoseAskedFor(index: Int) throws {
    let (layout, architecture) = Self.models[index]
    let tensors = layout.foreignTensors(of: architecture)
    let checkpoint = try read(tensors, ImportOptions(heads: 4))
    #expect(checkpoint.architecture.vision.transformer.heads == 4)
    expectError("5 heads do not divide the vision width 64") {
      try read(tensors, ImportOptions(heads: 5))
    }
    expectError("activation silu does not occur in CLIP, expected quick_gelu or gelu") {
      try read(tensors, ImportOptions(activation: .silu))
    }
  }

  @Test func derivedBuffersAreIgnored() throws {
    let derived: [(any FamilyLayout, Architecture, [String])] = [
      (
        EVA02.original, .smallEVA02,
        ["visual.rope.freqs_cos", "visual.blocks.1.attn.rope.freqs_sin"]
      ),
      (EVA02.timm, .smallEVA02, ["text.attn_mask"]),
      (
        HuggingFaceCLIP(), .smallCLIP,
        ["text_model.embeddings.position_ids", "vision_model.embeddings.position_ids"]
      ),
      (OpenCLIP(text: .plain), .smallCLIP, ["attn_mask", "input_resolution", "vocab_size"]),
    ]
    for (layout, architecture, names) in derived {
      let tensors = layout.foreignTensors(of: architecture) + names.map { .float32($0, [1]) }
      #expect(try !read(tensors).warnings.contains { $0.contains("left out") })
    }
  }

  @Test func surplusTensorsAreNamedInAWarning() throws {
    let tensors = OpenCLIP(text: .plain).foreignTensors(of: .smallCLIP)
    let one = try read(tensors + [.float32("logit_bias", [])])
    #expect(
      one.warnings.last == "1 tensor is not part of the model and left out: 'logit_bias'")
    let two = try read(tensors + [.float32("logit_bias", []), .float32("visual.extra", [1])])
    #expect(
      two.warnings.last
        == "2 tensors are not part of the model and left out: 'logit_bias', 'visual.extra'")
  }

  @Test func everythingWrongWithTensorsIsInOneError() {
    var tensors = OpenCLIP(text: .plain).foreignTensors(of: .smallCLIP, prefix: "module.")
    tensors.removeAll { $0.name == "module.visual.ln_post.bias" }
    tensors.removeAll { $0.name == "module.visual.transformer.resblocks.1.attn.in_proj_bias" }
    tensors = tensors.map { tensor in
      switch tensor.name {
      case "module.visual.class_embedding": .float32(tensor.name, [63])
      case "module.visual.proj": .float32(tensor.name, [63, 6])
      case "module.ln_final.weight":
        SourceTensor(
          name: tensor.name, elementType: "I64", dataType: .int64, shape: [64],
          bytes: ByteView([UInt8](repeating: 0, count: 512)))
      default: tensor
      }
    }
    tensors.append(.float32("module.visual.transformer.resblocks.0.ls_1.gamma", [64]))
    expectError(
      """
      the tensors do not fit the openclip layout: 2 are missing, 2 have another shape, 1 has \
      another element type, 1 is of an unknown layer.
        'module.visual.class_embedding' has the shape [63], expected [64]
        'module.visual.transformer.resblocks.1.attn.in_proj_bias' [192] is missing
        'module.visual.ln_post.bias' [64] is missing
        'module.visual.proj' has the shape [63, 6], expected [64, 6]
        'module.ln_final.weight' holds I64, expected 16-, 32- or 64-bit floating point
        'module.visual.transformer.resblocks.0.ls_1.gamma' is a layer of a block that the layout \
      does not know
      """
    ) { try read(tensors) }
  }

  @Test func tensorsThatTellSizesAreAskedForByName() {
    let tensors = OpenCLIP(text: .plain).foreignTensors(of: .smallCLIP)
    expectError(
      "tensor 'visual.proj': is missing, and the size of the model cannot be told without it"
    ) { try read(tensors.filter { $0.name != "visual.proj" }) }
    expectError("tensor 'visual.proj': has the shape [384], expected 2 extents") {
      try read(tensors.map { $0.name == "visual.proj" ? $0.with(shape: [384]) : $0 })
    }
  }

  @Test func gridsAreSquare() {
    let tensors = OpenCLIP(text: .plain).foreignTensors(of: .smallCLIP).map { tensor in
      tensor.name == "visual.positional_embedding"
        ? SourceTensor.float32(tensor.name, [9, 64]) : tensor
    }
    expectError(
      "tensor 'visual.positional_embedding': has 9 positions, expected one for the class token"
        + " and a square number for a square grid of patches; resize the table to a square grid"
        + " before converting"
    ) { try read(tensors) }
  }

  @Test func missingLogitScaleIsAssumed() throws {
    let tensors = OpenCLIP(text: .plain).foreignTensors(of: .smallCLIP)
      .filter { $0.name != "logit_scale" }
    let checkpoint = try read(tensors)
    #expect(checkpoint.architecture.logitScale == 100)
    #expect(
      checkpoint.warnings.last
        == "the file has no logit scale; assumed 100, that of released models")
    expectError(
      "tensor 'logit_scale': has the shape [2] and type F32, expected one floating-point number"
    ) {
      try read(tensors + [.float32("logit_scale", [2])])
    }
    #expect { try read(tensors + [.float32("logit_scale", [1], from: 1000)]) } throws: {
      "\($0)" == "architecture: logit scale inf, expected a positive number"
    }
  }

  @Test func unknownFilesSayWhatIsRead() {
    expectError(
      "its 2 tensors tell no family that is known (the first is 'a.weight'), expected a CLIP,"
        + " OpenCLIP, EVA02-CLIP or DeCLIP model"
    ) { try read([.float32("a.weight", [1]), .float32("b.weight", [1])]) }
    expectError(
      "the file holds no tensors, expected a CLIP, OpenCLIP, EVA02-CLIP or DeCLIP model"
    ) { try read([]) }
  }

  @Test(arguments: ["99", "99999", "999999", "99999999999999999999", "x", "-1", ""])
  func hostileBlockIndicesAreRefused(index: String) {
    let tensors =
      OpenCLIP(text: .plain).foreignTensors(of: .smallCLIP)
      + [.float32("visual.transformer.resblocks.\(index).ln_1.weight", [64])]
    #expect(throws: DeclipError.self) { try read(tensors) }
  }

  @Test func publishedHeadSizesAreKnown() throws {
    var notes = ImportNotes()
    for (width, heads) in [(768, 12), (1024, 16), (1280, 16), (1408, 16), (1664, 16), (32, 1)] {
      #expect(try notes.heads(asked: nil, recorded: nil, in: nil, width: width) == heads)
    }
  }
}
