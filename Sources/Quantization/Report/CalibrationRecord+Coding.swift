import Foundation
import Model

extension CalibrationRecord {
  /// The record as the text of a JSON object, the same for the same record: keys sorted, no white
  /// space.
  ///
  /// Throws `internal` for numbers that are not finite, which JSON cannot hold.
  public func json() throws(DeclipError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(self), as: UTF8.self)
    } catch {
      throw DeclipError(
        .internal, "cannot be written as JSON: \(error)", place: "section 'calibration'")
    }
  }

  /// Reads the record of a file; throws `badData` for a text that is no record of this tool's, or
  /// that holds values out of range.
  public init(json: String) throws(DeclipError) {
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(json.utf8))
    } catch {
      throw DeclipError(
        .badData, "is not a record that this tool understands", place: "section 'calibration'")
    }
    try validate()
  }
}
