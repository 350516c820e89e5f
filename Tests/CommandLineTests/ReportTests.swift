import Container
import Foundation
import Importers
import Quantization
import Testing

@Suite struct ReportTests {
  private let quant = Tool("declip-quant")
  private let folder: TemporaryFolder
  private let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = folder("shapes.int8.declip")
    try write(record: record, to: model)
  }

  private let record = CalibrationRecord(
    options: ["seed": "1"], calibrationPictures: 18, heldOutPictures: 6,
    objectives: [
      .init(
        mode: "qq", height: 224, width: 224, cosine: 0.99971, firstPercentile: 0.9981,
        centredCosine: 0.99882, shift: 0.021, labelAgreement: 0.9979)
    ],
    ladder: [
      .init(name: "per row", cosine: 0.99971, centredCosine: 0.99882, isChosen: true)
    ],
    layers: [
      .init(
        name: "vision.block[0].mlp.up", weightBits: 8, inputBits: 8, isPerRow: false,
        method: "percentile 99.99", rounding: "nearest", signalToNoise: 38.4,
        input: .init(
          minimum: -2, maximum: 6, clip: .init(low: -1.5, high: 4), clippedShare: 0.0012,
          histogram: [1, 50, 900, 20, 3],
          outlierChannels: [.init(channel: 3, magnitude: 6, ratio: 7.5)]))
    ])

  /// The demo model in floats with a record: reports need no quantised weights.
  private func write(record: CalibrationRecord?, to path: String) throws {
    var checkpoint = try CheckpointImporter.read(
      path: Repository.path("fixtures/shapes/model.safetensors"))
    checkpoint.calibration = try record.map {
      String(decoding: try JSONEncoder().encode($0), as: UTF8.self)
    }
    _ = try ContainerWriter.write(
      checkpoint, to: path, options: ContainerOptions(toolVersion: "tests"))
  }

  @Test func printsTablesAndJSON() throws {
    let outcome = try quant("report", model)
    #expect(outcome.status == 0 && outcome.errors == "")
    for line in [
      "layer                   bits  range by                   clip  clipped  outliers  SNR dB",
      "vision.block[0].mlp.up  8x8   percentile 99.99  -1.50 to 4.00   0.12 %      7.5x    38.4",
      "per row  0.99971  0.99882     -  chosen", "pictures: 18 for scales, 6 held out for figures",
      "options: --seed 1", "qq    224x224  0.99971         0.99810  0.99882  0.021",
    ] { #expect(outcome.output.contains(line), "\(line)") }
    let json = try quant("report", model, "--json")
    #expect(
      try JSONDecoder().decode(CalibrationRecord.self, from: Data(json.output.utf8)) == record)
  }

  @Test func pageShowsLabelsOfBothModels() throws {
    let page = folder("report.html")
    let outcome = try quant(
      "report", model, "--html", page, "--float", model, "--images",
      Repository.path("fixtures/shapes/scenes/demo.png"), "--classes",
      "@" + Repository.path("fixtures/shapes/classes.txt"))
    #expect(outcome.status == 0 && outcome.errors == "")
    let html = try String(contentsOfFile: page, encoding: .utf8)
    #expect(html.matches(of: /data:image\/png;base64,/).count == 4)
    for text in [
      "Labels before and after", "demo.png", "blue circle", "<svg", "38.4", "input 224x224",
    ] {
      #expect(html.contains(text), "\(text)")
    }
    #expect(!html.contains("http"))
  }

  @Test func whatCannotBeShownIsOneLine() throws {
    let plain = folder("plain.declip")
    try write(record: nil, to: plain)
    let none = try quant("report", plain)
    #expect(none.status == 64)
    #expect(
      none.errors
        == "error: \(plain): holds no record of a calibration, expected a file that declip-quant "
        + "calibrate wrote\n")
    var wrong = record
    wrong.heldOutPictures = -6
    try write(record: wrong, to: plain)
    let refused = try quant("report", plain)
    #expect(refused.status == 65)
    #expect(
      refused.errors
        == "error: \(plain): section 'calibration': key 'heldOutPictures' is -6, expected 0 or "
        + "more\n")
    #expect(try quant("report", model, "--float", model).status == 64)
    #expect(try quant("report", model, "--html", folder("none/a.html")).status == 73)
  }
}
