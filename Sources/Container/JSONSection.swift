import Model

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Sections that hold one JSON value: UTF-8, keys sorted, no white space.
enum JSONSection {
  /// The bytes of `value`; throws `internal` for a value that JSON cannot hold.
  static func encode(_ value: some Encodable, _ name: String) throws(DeclipError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return try [UInt8](encoder.encode(value))
    } catch {
      throw DeclipError(
        .internal, "cannot be written as JSON: \(error)", place: "section '\(name)'")
    }
  }

  /// The value in `bytes`; throws `badData` naming the key that does not fit.
  static func decode<Value: Decodable>(
    _: Value.Type, _ bytes: ByteView, _ name: String, _ header: Header
  ) throws(DeclipError) -> Value {
    do {
      return try JSONDecoder().decode(Value.self, from: bytes.withUnsafeBytes { Data($0) })
    } catch {
      throw DeclipError(
        .badData, "is not what this tool understands: \(reason(error))",
        place: "section '\(name)'",
        remedy: header.remedy)
    }
  }

  /// Throws `badData` unless `bytes` are a JSON object, whatever its keys.
  static func requireObject(_ bytes: ByteView, _ name: String) throws(DeclipError) {
    do {
      _ = try JSONDecoder().decode(AnyObject.self, from: bytes.withUnsafeBytes { Data($0) })
    } catch {
      throw DeclipError(
        .badData, "is not a JSON object: \(reason(error))", place: "section '\(name)'")
    }
  }

  private struct AnyObject: Decodable {
    private struct Key: CodingKey {
      let stringValue: String
      let intValue: Int? = nil
      init?(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
      _ = try decoder.container(keyedBy: Key.self)
    }
  }

  private static func reason(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "\(error)" }
    switch error {
    case .keyNotFound(let key, let context):
      return "key '\(path(context.codingPath + [key]))' is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      return "key '\(path(context.codingPath))' has another type"
    case .dataCorrupted(let context):
      return context.codingPath.isEmpty
        ? "it is not JSON" : "key '\(path(context.codingPath))' has an unknown value"
    @unknown default:
      return "\(error)"
    }
  }

  private static func path(_ keys: [any CodingKey]) -> String {
    keys.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
  }
}
