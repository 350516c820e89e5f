import Foundation

/// Results as JSON on stdout.
public enum JSONOutput {
  /// Prints a value with sorted keys.
  public static func print(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    Swift.print(String(decoding: try encoder.encode(value), as: UTF8.self))
  }
}
