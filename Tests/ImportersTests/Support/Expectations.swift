import Testing

@testable import Importers
@testable import Model

/// Expects `body` to throw a `DeclipError` whose whole text is `text`.
func expectError<Result>(
  _ text: String, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> Result
) {
  do {
    _ = try body()
    Issue.record("nothing was thrown", sourceLocation: sourceLocation)
  } catch let error as DeclipError {
    #expect(error.description == text, sourceLocation: sourceLocation)
  } catch {
    Issue.record("another error was thrown: \(error)", sourceLocation: sourceLocation)
  }
}

extension ByteView {
  /// A copy of the bytes.
  var array: [UInt8] { withUnsafeBytes { Array($0) } }

  /// A view of a text's UTF-8.
  init(_ text: String) { self.init(Array(text.utf8)) }
}
