import Foundation
import Testing

@testable import Quantization

@Suite struct ReportPageTests {
  /// Bell-shaped counts with a long thin tail to the right.
  private static let histogram: [Int] = (0..<256).map { bin in
    let distance = Double(bin - 60) / 12
    let bell = Int(1e6 * exp(-distance * distance))
    return bell + (bin % 9 == 0 && bin > 60 ? 2 : 0)
  }

  /// A record such as a calibration of two blocks writes, with every kind of layer.
  static func record() -> CalibrationRecord {
    let layers: [CalibrationRecord.Layer] = (0..<2).flatMap { block in
      ["attention.query", "attention.key", "attention.value", "attention.output", "mlp.up"]
        .enumerated().map { index, name in
          let isPerRow = name == "attention.output"
          let histogram = Self.histogram
          let isFloat = block == 1 && name == "mlp.up"
          return CalibrationRecord.Layer(
            name: "vision.block[\(block)].\(name)", weightBits: isFloat ? nil : 8,
            inputBits: isFloat ? nil : 7, isPerRow: isPerRow,
            method: isPerRow ? "per row" : "percentile 99.99", rounding: "gptq",
            migration: index == 0 ? 0.5 : nil,
            signalToNoise: isFloat ? nil : 52 - 5 * Double(index) - 3 * Double(block),
            input: .init(
              minimum: -4, maximum: 13, clip: isPerRow || isFloat ? nil : .init(low: -3.5, high: 7),
              clippedShare: isPerRow || isFloat ? 0 : 0.00007,
              histogram: index < 3 ? histogram : Array(histogram.reversed()),
              outlierChannels: [.init(channel: 17, magnitude: 13, ratio: 9.3)]))
        }
    }
    return CalibrationRecord(
      options: ["seed": "1", "target": "0.999", "rounding": "gptq <&\"'"],
      calibrationPictures: 48, heldOutPictures: 16, skippedPictures: 1,
      objectives: [
        .init(
          mode: "qq", height: 224, width: 224, cosine: 0.99971, firstPercentile: 0.9981,
          centredCosine: 0.99882, shift: 0.021, contextError: 0.143, labelAgreement: 0.9979),
        .init(
          mode: "vanilla", height: 224, width: 224, cosine: 0.99954, firstPercentile: 0.9975,
          centredCosine: 0.99851, shift: 0.034),
      ],
      ladder: [
        .init(name: "min-max", cosine: 0.9823, centredCosine: 0.941, relativeTime: 0.41),
        .init(
          name: "percentile 99.99, migration 0.5", cosine: 0.99971, centredCosine: 0.99882,
          relativeTime: 0.43, isChosen: true),
      ], layers: layers)
  }

  private let page = ReportPage(
    title: "shapes<script>.int8.declip", facts: [("file", "shapes & co, 1.3 MB")],
    record: ReportPageTests.record())

  @Test func everythingOfTheRecordIsShown() {
    let html = page.html
    for text in [
      "9 of 10 linear layers compute in integers of 7 or 8 bits", "<b>0.9995</b>",
      "in the worst of",
      "99.79&nbsp;%", "Mode qq at 224 &times; 224", "0.99851", "percentile 99.99, migration 0.5",
      "&larr; chosen", "43.00&nbsp;%", "vision.block[1].mlp.up", "stays in float", "0.007&nbsp;%",
      "8 bit, gptq", "percentile 99.99, migration 0.5</td>", "9.3&nbsp;&times;", "channel 17",
      "vision.block[0].attention.query, key, value", "each row its own scale",
      "pictures that could not be read", "--target", "shapes &amp; co, 1.3 MB",
    ] { #expect(html.contains(text), "\(text)") }
  }

  /// Names come from files: none becomes markup. Nothing is loaded from anywhere.
  @Test func textIsEscapedAndNothingIsLoaded() {
    let html = page.html
    #expect(html.contains("shapes&lt;script&gt;.int8.declip"))
    #expect(html.contains("gptq &lt;&amp;&quot;&#39;"))
    for text in ["<script", "http", "url(", "@import", "<link", "src=\"/", "href"] {
      #expect(!html.contains(text), "\(text)")
    }
  }

  @Test func elementsAreClosed() throws {
    var page = page
    page.pictures = [
      ReportPicture(
        name: "a\u{1}.png", picture: [1, 2, 3], float: [4], quantized: [5], changes: [6],
        labelAgreement: 0.998,
        content: ContentError(
          tokens: 196, cosine: 0.9997, firstPercentile: 0.998, centredCosine: 0.9981,
          centredFirstPercentile: 0.99, shift: 0.01),
        classes: [("red star", "#ff0000")])
    ]
    let html = page.html
    #expect(html.contains("src=\"data:image/png;base64,AQID\""))
    #expect(html.contains("<i style=\"background:#ff0000\"></i>red star"))
    #expect(html.contains("a .png &ndash; same label 99.80&nbsp;%"))
    var open: [Substring] = []
    for match in html.matches(of: /<(\/?)([a-z0-9]+)[^>]*?(\/?)>/) {
      let (name, isEnd) = (match.output.2, !match.output.1.isEmpty)
      if ["meta", "br", "img"].contains(name) || !match.output.3.isEmpty { continue }
      if isEnd {
        #expect(open.popLast() == name)
      } else {
        open.append(name)
      }
    }
    #expect(open.isEmpty)
  }

  /// A record of nothing, and one of extremes, are pages too.
  @Test func recordsMayBeEmptyOrExtreme() throws {
    var empty = page
    empty.record = CalibrationRecord(calibrationPictures: 0, heldOutPictures: 0)
    #expect(empty.html.contains("0 of 0 linear layers"))
    var record = ReportPageTests.record()
    record.layers[0].input = .init(
      minimum: 0, maximum: 0, clip: .init(low: -1e300, high: 1e300), clippedShare: 1,
      histogram: [1 << 52])
    record.layers[1].input = .init(
      minimum: -1.7e308, maximum: 1.7e308, clip: .init(low: -1, high: 1), clippedShare: 0.5,
      histogram: Array(repeating: 0, count: 4096))
    record.layers[2].signalToNoise = -1e9
    record.layers[3].signalToNoise = 1e300
    record.objectives[0].cosine = .nan
    try record.validate()
    var extreme = page
    extreme.record = record
    #expect(!extreme.html.contains("nan") && !extreme.html.contains("inf<"))
  }
}
