import Foundation
import Model

/// A file that an evaluation writes a line to for every picture, so that it can go on where it was
/// interrupted.
///
/// The first line says what results depend on; an evaluation of anything else is refused. Lines are
/// JSON. A last line that was not written to its end is dropped.
public final class EvaluationJournal {
  /// The first line.
  private struct Heading: Codable {
    let declipEvaluation: Int
    let identity: [String: String]
  }

  /// Every other line.
  private struct Record: Codable {
    let pass: String
    let picture: String
    let tallies: [EvaluationTally]
  }

  private let path: String
  private let descriptor: Int32
  private var records: [String: [EvaluationTally]] = [:]

  /// The version of lines that this code writes.
  private static let version = 1
  /// The longest journal that is read.
  private static let longest = 1 << 30

  /// The pictures, counted for each pass, that the journal held when it was opened.
  public var count: Int { records.count }

  /// Opens the journal at `path`, or starts one there.
  ///
  /// Throws `cannotCreate` where it cannot be opened, `badData` where the file is no journal,
  /// `usage` where it belongs to another evaluation, or another process writes to it.
  ///
  /// - Parameters:
  ///   - identity: what results depend on, by name (`Evaluator.identity`).
  ///   - subjects: the number of tallies of a picture.
  ///   - classes: the number of classes of label maps, 0 without.
  ///   - categories: the number of categories of regions, 0 without.
  public init(
    path: String, identity: [String: String], subjects: Int, classes: Int, categories: Int
  ) throws(DeclipError) {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw DeclipError(
        .cannotCreate, "cannot be opened: \(String(cString: strerror(errno)))", file: path)
    }
    // Devices and pipes forget, or never end.
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw DeclipError(
        .cannotCreate, "is not a regular file, from which to go on", file: path,
        remedy: "name another file with --resume")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      throw DeclipError(
        .usage, "is being written by another evaluation", file: path,
        remedy: "wait for it, or name another file with --resume")
    }
    let bytes = try Self.content(of: descriptor, path)
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    // What follows the last line end is empty, or a line that was interrupted.
    lines.removeLast()
    guard let first = lines.first else {
      // A heading that was interrupted is no loss; anything else is somebody's file.
      guard Self.begins(bytes, as: identity) else { throw Self.stranger(path) }
      try truncate(to: 0)
      try write(Heading(declipEvaluation: Self.version, identity: identity))
      return
    }
    try Self.check(first, identity, path)
    var end = first.count + 1
    for line in lines.dropFirst() {
      guard let record = try? JSONDecoder().decode(Record.self, from: Data(line)),
        record.tallies.count == subjects,
        record.tallies.allSatisfy({ $0.isWithin(classes: classes, categories: categories) })
      else { break }
      records[Self.key(record.pass, record.picture)] = record.tallies
      end += line.count + 1
    }
    // Whatever follows the last good line is computed again.
    try truncate(to: end)
  }

  deinit { close(descriptor) }

  /// What the journal holds of a picture.
  func tallies(_ pass: EvaluationPass, _ picture: String) -> [EvaluationTally]? {
    records[Self.key(pass.name, picture)]
  }

  /// Adds a picture; throws `inputOutput`.
  func append(
    _ pass: EvaluationPass, _ picture: String, _ tallies: [EvaluationTally]
  ) throws(DeclipError) {
    try write(Record(pass: pass.name, picture: picture, tallies: tallies))
  }

  private static func key(_ pass: String, _ picture: String) -> String { "\(pass) \(picture)" }
}

extension EvaluationJournal {
  private static func stranger(_ path: String) -> DeclipError {
    DeclipError(
      .badData, "is no journal of an evaluation", file: path,
      remedy: "name another file with --resume")
  }

  private static func check(
    _ line: ArraySlice<UInt8>, _ identity: [String: String], _ path: String
  ) throws(DeclipError) {
    guard let heading = try? JSONDecoder().decode(Heading.self, from: Data(line)) else {
      throw stranger(path)
    }
    guard heading.declipEvaluation == version else {
      throw DeclipError(
        .usage, "is a journal of version \(heading.declipEvaluation)", file: path,
        expected: "version \(version)", remedy: "name another file with --resume")
    }
    for (key, value) in identity.sorted(by: { $0.key < $1.key })
    where heading.identity[key] != value {
      throw DeclipError(
        .usage,
        "belongs to another evaluation: its \(key) is '\(heading.identity[key] ?? "")'",
        file: path, expected: "'\(value)'",
        remedy: "name another file with --resume, or delete this one")
    }
  }

  /// Whether bytes are the beginning of a heading, which may have been interrupted.
  private static func begins(_ bytes: [UInt8], as identity: [String: String]) -> Bool {
    let heading = try? encoded(Heading(declipEvaluation: version, identity: identity))
    return heading?.starts(with: bytes) ?? bytes.isEmpty
  }

  /// One line.
  private static func encoded(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try [UInt8](encoder.encode(value)) + [UInt8(ascii: "\n")]
  }

  private static func content(
    of descriptor: Int32, _ path: String
  ) throws(DeclipError) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else {
        throw DeclipError(
          .inputOutput, "cannot be read: \(String(cString: strerror(errno)))", file: path)
      }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
      guard bytes.count <= longest else { throw stranger(path) }
    }
  }

  private func truncate(to length: Int) throws(DeclipError) {
    guard ftruncate(descriptor, off_t(length)) == 0 else {
      throw DeclipError(
        .inputOutput, "cannot be cut: \(String(cString: strerror(errno)))", file: path)
    }
  }

  /// Appends a line in one system call, so that it is whole but for a crash of the machine.
  private func write(_ value: some Encodable) throws(DeclipError) {
    let line: [UInt8]
    do {
      line = try Self.encoded(value)
    } catch {
      throw DeclipError(.internal, "cannot be written as JSON: \(error)", file: path)
    }
    var rest = line[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else {
        throw DeclipError(
          .inputOutput, "cannot be written: \(String(cString: strerror(errno)))", file: path)
      }
      rest = rest.dropFirst(written)
    }
  }
}
