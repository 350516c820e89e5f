/// What is wrong with an input or an environment, as facts; its text is one plain sentence.
///
/// Library code throws it, only the command lines print it. `kind` carries the exit code of
/// `sysexits.h`, so that every tool answers the same fault with the same code.
public struct DeclipError: Error, Hashable, Sendable {
  /// The class of a fault; the raw value is the process's exit code (`sysexits.h`).
  public enum Kind: Int32, Sendable {
    /// The command was called wrongly.
    case usage = 64
    /// The input's content is not what its format, or this tool, requires.
    case badData = 65
    /// An input does not exist or cannot be opened.
    case missingInput = 66
    /// A fault of this software.
    case `internal` = 70
    /// An output cannot be created.
    case cannotCreate = 73
    /// Reading or writing failed.
    case inputOutput = 74
  }

  /// The class of the fault.
  public var kind: Kind
  /// What is wrong, in plain words and without a full stop.
  public var problem: String
  /// The file concerned, as the user named it.
  public var file: String?
  /// The section, tensor, node or key concerned, such as `tensor 'visual.proj'`.
  public var place: String?
  /// Where in the file, in bytes from its start.
  public var offset: UInt64?
  /// What was expected instead.
  public var expected: String?
  /// What the user can do about it.
  public var remedy: String?

  /// Makes an error from its facts.
  public init(
    _ kind: Kind, _ problem: String, file: String? = nil, place: String? = nil,
    offset: UInt64? = nil, expected: String? = nil, remedy: String? = nil
  ) {
    self.kind = kind
    self.problem = problem
    self.file = file
    self.place = place
    self.offset = offset
    self.expected = expected
    self.remedy = remedy
  }

  /// The same error with the file named, where it was not yet.
  public func inFile(_ path: String) -> DeclipError {
    var copy = self
    copy.file = file ?? path
    return copy
  }
}

extension DeclipError: CustomStringConvertible {
  /// `FILE: PLACE at byte OFFSET: PROBLEM, expected EXPECTED; REMEDY`, absent facts left out.
  public var description: String {
    var text = ""
    if let file { text += "\(file): " }
    if let place { text += place }
    if let offset { text += (place == nil ? "at byte " : " at byte ") + String(offset) }
    if place != nil || offset != nil { text += ": " }
    text += problem
    if let expected { text += ", expected \(expected)" }
    if let remedy { text += "; \(remedy)" }
    return text
  }
}
