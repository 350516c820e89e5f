import ArgumentParser
import DeCLIP
import Files

/// `declip-convert`: imports, inspects and checks models.
@main
struct DeclipConvert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "declip-convert",
    abstract: "Import CLIP, EVA02-CLIP and DeCLIP checkpoints into one .declip file.",
    discussion: """
      Reads ONNX graphs, PyTorch checkpoints (as data; nothing in them is executed), \
      safetensors files, sharded ones by their *.index.json, and folders that hold one of these, \
      told by content and not by name: \
      OpenAI and OpenCLIP, Hugging Face CLIPModel, EVA02-CLIP and DeCLIP, and its timm twin.
      """,
    version: DeclipVersion.current,
    subcommands: [Import.self, Inspect.self, Check.self, Diff.self],
    defaultSubcommand: Import.self)

  static func main() {
    MappedFile.endProcessOnFault()
    main(nil)
  }
}
