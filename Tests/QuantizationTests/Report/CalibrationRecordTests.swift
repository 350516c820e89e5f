import Foundation
import Model
import Quantization
import Testing

@Suite struct CalibrationRecordTests {
  private let layer = CalibrationRecord.Layer(
    name: "vision.block[0].attention.query", weightBits: 8, inputBits: 7, isPerRow: false,
    method: "percentile 99.99", rounding: "gptq", migration: 0.5, signalToNoise: 41.5,
    sensitivity: 1e-5,
    input: .init(
      minimum: -3, maximum: 40, clip: .init(low: -3, high: 12), clippedShare: 0.001,
      histogram: [5, 900, 40, 0, 1],
      outlierChannels: [.init(channel: 17, magnitude: 40, ratio: 25)]))

  private var record: CalibrationRecord {
    CalibrationRecord(
      options: ["seed": "1"], arithmetic: "OpenBLAS 0.3.21 Zen", calibrationPictures: 64,
      heldOutPictures: 16, skippedPictures: 2,
      objectives: [
        .init(
          mode: "qq", height: 560, width: 560, cosine: 0.9998, firstPercentile: 0.9991,
          centredCosine: 0.9990, shift: 0.02, contextError: 0.1, labelAgreement: 0.998)
      ],
      ladder: [
        .init(name: "min-max", cosine: 0.8, centredCosine: 0.5),
        .init(
          name: "percentile", cosine: 0.9998, centredCosine: 0.999, relativeTime: 0.45,
          isChosen: true),
      ], layers: [layer])
  }

  @Test func survivesJSON() throws {
    let data = try JSONEncoder().encode(record)
    #expect(try JSONDecoder().decode(CalibrationRecord.self, from: data) == record)
    try record.validate()
  }

  @Test func whatCannotBeShownIsRefusedByKey() throws {
    func message(_ change: (inout CalibrationRecord) -> Void) -> String? {
      var changed = record
      change(&changed)
      do throws(DeclipError) {
        try changed.validate()
        return nil
      } catch {
        return error.kind == .badData ? error.description : nil
      }
    }
    #expect(
      message { $0.skippedPictures = -1 }
        == "section 'calibration': key 'skippedPictures' is -1, expected 0 or more")
    #expect(
      message { $0.layers[0].input?.clip = .init(low: 2, high: 2) }
        == "section 'calibration': key 'layers.0.input.clip' is 2.0 to 2.0, expected a range")
    #expect(
      message { $0.layers[0].input?.minimum = 41 }
        == "section 'calibration': key 'layers.0.input.minimum' is 41.0, expected no more than "
        + "the maximum 40.0")
    #expect(message { $0.layers[0].input?.histogram[1] = -1 } != nil)
    #expect(message { $0.layers[0].input?.histogram = Array(repeating: 1, count: 4097) } != nil)
    #expect(message { $0.layers[0].name = String(repeating: "x", count: 1025) } != nil)
    #expect(message { $0.objectives[0].width = 0 } != nil)
    #expect(message { $0.layers[0].input?.clippedShare = .nan } != nil)
    #expect(message { $0.ladder = Array(repeating: $0.ladder[0], count: 1 << 14 + 1) } != nil)
  }
}
