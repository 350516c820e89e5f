import Quantization
import Terminal

/// A calibration record as tables for a terminal.
struct CalibrationText {
  let record: CalibrationRecord
  let facts: [(name: String, value: String)]

  /// All tables, the summary last, where a terminal shows it.
  var text: String {
    [layerTable, ladderTable, summary, objectiveTable].compactMap(\.self)
      .joined(separator: "\n\n")
  }

  private var summary: String {
    let pictures =
      "\(record.calibrationPictures) for scales, \(record.heldOutPictures) held out for figures"
      + (record.skippedPictures > 0 ? ", \(record.skippedPictures) could not be read" : "")
    let options = record.options.sorted { $0.key < $1.key }.map { "--\($0.key) \($0.value)" }
    let lines =
      facts + [("pictures", pictures)]
      + (record.arithmetic.map { [("fitted with", $0)] } ?? [])
      + (options.isEmpty ? [] : [("options", options.joined(separator: " "))])
    return lines.map { "\($0.name): \($0.value)" }.joined(separator: "\n")
  }

  private var objectiveTable: String? {
    guard !record.objectives.isEmpty else { return nil }
    var table = Table([
      ("mode", .left), ("input", .right), ("cosine", .right), ("1st percentile", .right),
      ("centred", .right), ("shift", .right), ("context error", .right), ("same label", .right),
    ])
    for objective in record.objectives {
      table.add([
        objective.mode, "\(objective.width)x\(objective.height)",
        Format.fixed(objective.cosine, 5), Format.fixed(objective.firstPercentile, 5),
        Format.fixed(objective.centredCosine, 5), Format.fixed(objective.shift, 3),
        fixed(objective.contextError, 3), percent(objective.labelAgreement),
      ])
    }
    return "dense features beside the float model's, on held-out pictures\n" + table.text
  }

  private var ladderTable: String? {
    guard !record.ladder.isEmpty else { return nil }
    var table = Table([
      ("tried", .left), ("cosine", .right), ("centred", .right), ("time", .right), ("", .left),
    ])
    for rung in record.ladder {
      table.add([
        rung.name, Format.fixed(rung.cosine, 5), Format.fixed(rung.centredCosine, 5),
        percent(rung.relativeTime), rung.isChosen ? "chosen" : "",
      ])
    }
    return table.text
  }

  private var layerTable: String? {
    guard !record.layers.isEmpty else { return nil }
    var table = Table([
      ("layer", .left), ("bits", .left), ("range by", .left), ("clip", .right),
      ("clipped", .right), ("outliers", .right), ("SNR dB", .right),
    ])
    for layer in record.layers {
      let clip = layer.input?.clip
      let outliers = layer.input?.outlierChannels.first
      table.add([
        layer.name, bits(layer), layer.method,
        clip.map { "\(Format.fixed($0.low, 2)) to \(Format.fixed($0.high, 2))" } ?? "-",
        clip == nil ? "-" : percent(layer.input?.clippedShare),
        outliers.map { Format.fixed($0.ratio, 1) + "x" } ?? "-", fixed(layer.signalToNoise, 1),
      ])
    }
    return table.text
  }

  /// Weights times inputs.
  private func bits(_ layer: CalibrationRecord.Layer) -> String {
    guard let weights = layer.weightBits else { return "float" }
    return "\(weights)x\(layer.inputBits.map(String.init) ?? "float")"
  }

  private func fixed(_ value: Double?, _ digits: Int) -> String {
    value.map { Format.fixed($0, digits) } ?? "-"
  }

  private func percent(_ share: Double?) -> String {
    share.map { Format.fixed(100 * $0, 2) + " %" } ?? "-"
  }
}
