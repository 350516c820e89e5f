import Testing

@testable import Importers
@testable import Model

@Suite struct CheckpointFolderTests {
  private let folder: TestFolder
  private let model = safetensors(OpenCLIP(text: .plain).foreignTensors(of: .smallCLIP))
  private let other = safetensors([.float32("blocks.0.attn.qkv.weight", [1])])
  private let refusal =
    "is a ViT of timm without CLIP's projection (tensor 'blocks.0.attn.qkv.weight'), which is not"
    + " read yet"

  init() throws { folder = try TestFolder() }

  @Test func usualNamesAreSearchedFor() throws {
    expectError(
      "\(folder.path): holds no checkpoint under a usual name, expected model.safetensors,"
        + " open_clip_model.safetensors, model.safetensors.index.json,"
        + " open_clip_model.safetensors.index.json, pytorch_model.bin,"
        + " open_clip_pytorch_model.bin, model.onnx, vision_model.onnx; name the checkpoint file"
        + " itself"
    ) { try CheckpointImporter.read(path: folder.path) }
    try folder.write("open_clip_model.safetensors", model)
    let checkpoint = try CheckpointImporter.read(path: folder.path + "/")
    #expect(checkpoint.provenance["source.0.name"] == "open_clip_model.safetensors")
  }

  /// As in timm's repositories, which hold the same weights in two layouts.
  @Test func refusedCandidatesArePassedOver() throws {
    try folder.write("model.safetensors", other)
    try folder.write("open_clip_model.safetensors", model)
    let checkpoint = try CheckpointImporter.read(path: folder.path)
    #expect(checkpoint.provenance["source.0.name"] == "open_clip_model.safetensors")
    #expect(checkpoint.warnings.first == "model.safetensors was passed over: \(refusal)")
  }

  @Test func whereAllAreRefusedTheFirstIsNamed() throws {
    try folder.write("model.safetensors", other)
    let start =
      "\(folder("model.safetensors")): \(refusal), expected a CLIP, OpenCLIP, EVA02-CLIP or DeCLIP"
      + " model"
    expectError(start) { try CheckpointImporter.read(path: folder.path) }
    try folder.write("pytorch_model.bin", [])
    expectError(start + "; 1 other file of the folder was refused too") {
      try CheckpointImporter.read(path: folder.path)
    }
    try folder.write("model.onnx", [])
    expectError(start + "; 2 other files of the folder were refused too") {
      try CheckpointImporter.read(path: folder.path)
    }
  }

  /// As sentence-transformers and transformers.js lay their repositories out.
  @Test(arguments: ["0_CLIPModel", "onnx"]) func innerFoldersAreSearched(name: String) throws {
    try folder.makeFolder(name)
    try folder.write("\(name)/model.safetensors", model)
    try folder.write("vocab.json", SmallTokenizer.vocabulary())
    try folder.write("merges.txt", SmallTokenizer.mergesText)
    for path in [folder.path, folder("\(name)/model.safetensors")] {
      let checkpoint = try CheckpointImporter.read(path: path)
      #expect(checkpoint.architecture == .smallCLIP)
      #expect(checkpoint.provenance["tokenizer"] == "vocab.json")
    }
  }

  /// What the user asks for wrongly is wrong for every candidate.
  @Test func faultsOfTheCallEndTheSearch() throws {
    try folder.write("model.safetensors", model)
    try folder.write("open_clip_model.safetensors", model)
    expectError("\(folder("model.safetensors")): 5 heads do not divide the vision width 64") {
      try CheckpointImporter.read(path: folder.path, options: ImportOptions(heads: 5))
    }
  }
}
