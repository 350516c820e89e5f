import ArgumentParser
import DeCLIP
import Files

/// `declip-run`: segmentation, classification and features.
@main
struct DeclipRun: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "declip-run",
    abstract: "Open-vocabulary dense perception with a .declip model.",
    version: DeclipVersion.current,
    subcommands: [
      Segment.self, Classify.self, ExtractFeatures.self, Bench.self, Compare.self, ListKernels.self,
    ])

  static func main() {
    MappedFile.endProcessOnFault()
    main(nil)
  }
}
