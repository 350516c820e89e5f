import ArgumentParser
import DeCLIP
import Files

/// `declip-quant`: calibration, evaluation and reports.
@main
struct DeclipQuant: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "declip-quant",
    abstract: "Quantise .declip models and see what it costs.",
    version: DeclipVersion.current,
    subcommands: [Calibrate.self, Evaluate.self, Report.self])

  static func main() {
    MappedFile.endProcessOnFault()
    main(nil)
  }
}
