import ArgumentParser
import Quantization

extension CalibrationOptions.Preference: ExpressibleByArgument {}
extension Recipe.Rounding: ExpressibleByArgument {}
extension QuantizedModel.TextWeights: ExpressibleByArgument {}

/// How `declip-quant calibrate` chooses scales.
struct MethodOptions: ParsableArguments {
  /// How inputs of layers are quantised.
  enum Method: String, ExpressibleByArgument, CaseIterable {
    case auto, row, minmax, percentile, mse, entropy
  }

  /// On or off.
  enum Switch: String, ExpressibleByArgument, CaseIterable {
    case on, off
  }

  @Option(
    help: """
      auto climbs a ladder of methods and keeps what loses least on held-out pictures; row gives \
      each row of activations a scale at run time; minmax, percentile, mse and entropy choose one \
      for all rows.
      """)
  var method = Method.auto

  @Option(help: "The share of values that --method percentile keeps, in per cent.")
  var percentile = 99.99

  @Option(
    help: """
      nearest, or gptq, by which later weights make up for the errors of earlier ones; by default \
      auto tries both.
      """)
  var rounding: Recipe.Rounding?

  @Option(
    help: """
      Whether outliers of channels are moved into what precedes them, which leaves the float model \
      as it is; by default auto tries it.
      """)
  var smoothing: Switch?

  @Option(
    help: """
      speed gives 7 bits to attention and layers that bear it, balance 8 to all, with pairs of \
      weights that processors without VNNI multiply fast, fidelity 8 without regard to these.
      """)
  var prefer = CalibrationOptions.Preference.balance

  @Option(
    help: """
      The mean cosine of dense features to reach: layers are left in float, those first that gain \
      most for their cost, until held-out pictures reach it.
      """)
  var target: Double?

  @Option(help: "What the choice of pictures and every other random choice follow from.")
  var seed: UInt64 = 1

  /// Refuses numbers out of range.
  func validate() throws {
    guard (50...100).contains(percentile) else {
      throw ValidationError("--percentile is \(percentile), expected 50 to 100")
    }
    if let target, !(target > 0 && target < 1) {
      throw ValidationError("--target is \(target), expected a cosine between 0 and 1")
    }
  }

  /// As the library takes them.
  var options: CalibrationOptions {
    let chosen: CalibrationOptions.Method =
      switch method {
      case .auto: .auto
      case .row: .perRow
      case .minmax: .perTensor(.minMax)
      case .percentile: .perTensor(.percentile(percentile / 100))
      case .mse: .perTensor(.meanSquaredError)
      case .entropy: .perTensor(.entropy)
      }
    return CalibrationOptions(
      method: chosen, rounding: rounding, smoothing: smoothing.map { $0 == .on }, prefer: prefer,
      target: target, seed: seed)
  }
}
