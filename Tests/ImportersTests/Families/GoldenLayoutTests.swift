import Testing

@testable import Importers
@testable import Model

/// Reads the golden models, which other libraries wrote in every layout.
@Suite struct GoldenLayoutTests {
  private func read(
    _ name: String, _ options: ImportOptions = ImportOptions()
  ) throws -> Checkpoint {
    let checkpoint = try CheckpointImporter.read(path: golden(name), options: options)
    let expected = checkpoint.architecture.tensors
    #expect(checkpoint.tensors.count == expected.count)
    for specification in expected {
      #expect(
        checkpoint.tensors[specification.role]?.shape == specification.shape,
        "\(specification.role)")
    }
    return checkpoint
  }

  private func stored(_ name: String) throws -> SafetensorsFile {
    try SafetensorsFile(path: golden(name + "/model.safetensors"))
  }

  private let noTokenizer =
    "no tokenizer was found beside the file, so texts cannot be encoded: pass --tokenizer with"
    + " tokenizer.json, vocab.json or bpe_simple_vocab_16e6.txt.gz"

  @Test func openAI() throws {
    let checkpoint = try read("openai-clip")
    #expect(
      checkpoint.architecture
        == Architecture(
          family: .clip, embeddingSize: 32, logitScale: checkpoint.architecture.logitScale,
          vision: VisionTower(
            transformer: Transformer(
              width: 128, layers: 2, heads: 2, hiddenSize: 512, activation: .quickGELU,
              layerNormEpsilon: 1e-5),
            patchSize: 8, nativeGrid: Grid(rows: 6, columns: 6), hasPatchBias: false,
            hasPreNorm: true, hasProjectionBias: false, rotary: nil),
          text: TextTower(
            transformer: Transformer(
              width: 64, layers: 2, heads: 1, hiddenSize: 256, activation: .quickGELU,
              layerNormEpsilon: 1e-5),
            contextLength: 16, vocabularySize: 300, hasProjectionBias: false),
          preprocessing: .clip))
    #expect(
      checkpoint.warnings == [
        "activation is not recorded in the file; assumed quick_gelu (OpenAI weights); most"
          + " OpenCLIP weights use gelu: pass --activation gelu",
        "heads are not recorded in the file; assumed 2 of size 64 for the vision width 128: pass"
          + " --heads if this is wrong",
        noTokenizer,
      ])
    #expect(checkpoint.provenance["layout"] == "openclip")
    #expect(checkpoint.provenance["source.0.name"] == "model.safetensors")
    #expect(checkpoint.provenance["source.format"] == "safetensors")
    #expect(checkpoint.provenance["metadata.format"] == "pt")
  }

  @Test func fusedAndTransposedTensorsAreTakenApart() throws {
    let file = try stored("openai-clip")
    let checkpoint = try read("openai-clip")
    let fused = try #require(file["visual.transformer.resblocks.1.attn.in_proj_weight"])
    let third = fused.bytes.count / 3
    for (part, layer) in [BlockLayer.query, .key, .value].enumerated() {
      let role = TensorRole.block(.vision, index: 1, layer, .weight)
      #expect(
        checkpoint.tensors[role]?.bytes.array
          == Array(fused.bytes.array[part * third..<(part + 1) * third]))
    }
    let projection = try #require(file["visual.proj"])
    let canonical = try #require(checkpoint.tensors[.projection(.vision, .weight)])
    #expect(projection.shape == [128, 32])
    #expect(canonical.dataType == .float16)
    for (row, column) in [(0, 0), (31, 127), (5, 100), (31, 0)] {
      let here = 2 * (row * 128 + column)
      let there = 2 * (column * 32 + row)
      #expect(canonical.bytes.array[here...here + 1] == projection.bytes.array[there...there + 1])
    }
  }

  @Test func openCLIPWithAskedActivation() throws {
    let checkpoint = try read("openclip-gelu", ImportOptions(activation: .gelu, heads: 2))
    #expect(checkpoint.architecture.vision.transformer.activation == .gelu)
    #expect(checkpoint.architecture.text?.transformer.activation == .gelu)
    #expect(checkpoint.architecture.vision.transformer.hiddenSize == 200)
    #expect(checkpoint.architecture.vision.nativeGrid == Grid(rows: 5, columns: 5))
    #expect(checkpoint.tensors[.classToken]?.dataType == .bfloat16)
    #expect(checkpoint.warnings == [noTokenizer])
    #expect(checkpoint.provenance["activation"] == "gelu (asked for)")
    #expect(checkpoint.provenance["heads"] == "2 (asked for)")
  }

  @Test func huggingFaceWithItsConfiguration() throws {
    let checkpoint = try read("hf-clip")
    let vision = checkpoint.architecture.vision
    #expect(vision.transformer.heads == 3)
    #expect(vision.transformer.activation == .quickGELU)
    #expect(vision.nativeGrid == Grid(rows: 4, columns: 4))
    #expect(vision.hasPreNorm)
    #expect(checkpoint.architecture.text?.transformer.heads == 2)
    #expect(checkpoint.architecture.text?.pooledToken == 120)
    #expect(checkpoint.architecture.embeddingSize == 20)
    #expect(checkpoint.warnings == [noTokenizer])
    #expect(checkpoint.provenance["layout"] == "transformers-clip")
    #expect(checkpoint.provenance["heads"] == "3 (config.json)")
    let file = try stored("hf-clip")
    #expect(
      checkpoint.tensors[.preNorm(.bias)]?.bytes.array
        == file["vision_model.pre_layrnorm.bias"]?.bytes.array)
  }

  @Test func eva02() throws {
    let checkpoint = try read("eva02")
    let vision = checkpoint.architecture.vision
    #expect(checkpoint.architecture.family == .eva02)
    #expect(
      vision.transformer
        == Transformer(
          width: 128, layers: 3, heads: 2, hiddenSize: 138, activation: .silu,
          layerNormEpsilon: 1e-6, isGated: true, hasSubLayerNorm: true, hasKeyBias: false))
    #expect(vision.rotary == RotaryPositions(theta: 10_000, extent: 16))
    #expect(vision.hasPatchBias && vision.hasProjectionBias && !vision.hasPreNorm)
    #expect(vision.nativeGrid == Grid(rows: 6, columns: 6))
    #expect(checkpoint.architecture.embeddingSize == 40)
    #expect(checkpoint.architecture.text?.transformer.activation == .gelu)
    #expect(checkpoint.architecture.text?.transformer.layerNormEpsilon == 1e-5)
    #expect(checkpoint.warnings == [noTokenizer])
    #expect(checkpoint.provenance["layout"] == "eva02")
  }

  @Test func bothLayoutsOfEVA02AreOneModel() throws {
    let original = try read("eva02")
    let timm = try read("eva02-timm")
    #expect(original.architecture == timm.architecture)
    #expect(timm.provenance["layout"] == "eva02-timm")
    for (role, tensor) in original.tensors {
      #expect(timm.tensors[role]?.bytes.array == tensor.bytes.array, "\(role)")
    }
  }

  @Test(arguments: ["openai-clip", "openclip-gelu", "hf-clip", "eva02", "eva02-timm"])
  func logitScaleIsTheExponentialOfWhatIsStored(name: String) throws {
    let logarithm = try #require(stored(name)["logit_scale"]?.tensor.flatMap(singleElement))
    let scale = try read(name).architecture.logitScale
    #expect(abs(scale - naturalExponential(logarithm)) == 0)
    #expect(scale > 1 && scale < 200)
  }

  @Test(arguments: ["openai-clip", "hf-clip", "eva02", "eva02-timm"])
  func visionOnlyLeavesTheTextTowerOut(name: String) throws {
    let checkpoint = try read(
      name, ImportOptions(activation: .gelu, heads: 2, visionOnly: true))
    #expect(checkpoint.architecture.text == nil)
    #expect(checkpoint.tensors[.tokenEmbedding] == nil)
    #expect(!checkpoint.warnings.contains { $0.contains("token") || $0.contains("left out") })
  }
}
