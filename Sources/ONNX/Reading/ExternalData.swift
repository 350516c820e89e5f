import Files
import Glibc
import Model

/// Files beside a model that hold the payload of its tensors.
///
/// Locations come from the model and are not trusted: they must lie inside the model's folder,
/// symbolic links resolved. What is checked is the open file that is then read, reached from the
/// folder without following a link, so that none can be put in its place between. A file with more
/// names than one may be anybody's, and is refused unless the user allows it.
struct ExternalData {
  private let folder: String
  /// The folder without links; nil where there is none.
  private let root: String?
  private let allowsLinks: Bool
  private let budget: MemoryBudget
  private(set) var files: [(name: String, bytes: ByteView)] = []
  /// Places in `files`, by what a model calls them and by where that leads: one file may have many
  /// spellings.
  private var places: [String: Int] = [:]
  /// The bytes of each file that have been added to the budget.
  private var credits: [Int] = []

  /// Files beside the model at `path`; what is read of them adds to `budget`.
  ///
  /// With `allowsLinks`, files may lie where links lead, and have more names than one.
  init(beside path: String, budget: MemoryBudget, allowsLinks: Bool) {
    let end = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    folder = end.map { String(path[...$0]) } ?? "./"
    root = try? Self.resolved(folder)
    self.budget = budget
    self.allowsLinks = allowsLinks
  }

  /// The bytes that `location`, `offset` and `length` name; without a length as many as needed.
  mutating func bytes(
    location: String, offset: UInt64, length: UInt64?, needed: UInt64, place: String
  ) throws(DeclipError) -> ByteView {
    let index = try file(location, place: place)
    let file = files[index].bytes
    if let length, length != needed {
      throw DeclipError(
        .badData, "has \(length) bytes in \(location)", place: place, expected: "\(needed) bytes")
    }
    guard let bytes = file.slice(offset: offset, length: needed) else {
      throw DeclipError(
        .badData,
        "lies at byte \(offset) of \(location), which is \(file.count) bytes long",
        place: place, expected: "\(needed) bytes there",
        remedy: "the external data is incomplete or of another export; copy it again")
    }
    // No more than the file, however often the same bytes are named.
    let credit = min(bytes.count, file.count - credits[index])
    credits[index] += credit
    budget.grow(fileSize: credit)
    return bytes
  }

  /// The place in `files` of what `location` leads to.
  private mutating func file(_ location: String, place: String) throws(DeclipError) -> Int {
    if let known = places[location] { return known }
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    guard !location.isEmpty, !location.utf8.contains(0),
      !parts.contains(where: { $0.isEmpty || $0 == ".." })
    else {
      throw Self.outside(location, place, remedy: "export again with a relative location")
    }
    let target: String
    let file: MappedFile
    do throws(DeclipError) {
      target = try Self.resolved(folder + location)
      // Resolved paths begin with a slash, which no location does.
      if let known = places[target] {
        places[location] = known
        return known
      }
      file = try MappedFile(open(location, target, place))
    } catch {
      guard error.place == nil else { throw error }
      throw DeclipError(
        error.kind, "its external data: \(error.problem)", file: error.file, place: place,
        remedy: "keep the file beside the model under this name")
    }
    files.append((location, file.bytes))
    credits.append(0)
    places[location] = files.count - 1
    places[target] = files.count - 1
    return files.count - 1
  }

  /// Opens what `location` leads to, which was `target` when links were resolved.
  private func open(
    _ location: String, _ target: String, _ place: String
  ) throws(DeclipError) -> OpenFile {
    if allowsLinks { return try OpenFile(path: target) }
    let prefix = root.map { $0.hasSuffix("/") ? $0 : $0 + "/" }
    guard let root, let prefix, target.hasPrefix(prefix) else {
      throw Self.outside(
        location, place, remedy: "allow it to be a link with --allow-external-links")
    }
    let file = try OpenFile(
      relative: String(target.dropFirst(prefix.count)), below: root, path: folder + location)
    guard file.linkCount <= 1 else {
      throw DeclipError(
        .badData,
        "its external data '\(location)' has \(file.linkCount) names, of which others may lie "
          + "outside the model's folder", place: place, expected: "a file of its own",
        remedy: "copy it, or allow it to be a link with --allow-external-links")
    }
    return file
  }

  private static func outside(
    _ location: String, _ place: String, remedy: String
  ) -> DeclipError {
    DeclipError(
      .badData,
      "its external data '\(location.debugDescription.dropFirst().dropLast())' lies outside the model's folder",
      place: place, expected: "a path below the model's folder",
      remedy: "put the data file beside the model, or \(remedy)")
  }

  private static func resolved(_ path: String) throws(DeclipError) -> String {
    guard let pointer = realpath(path, nil) else {
      throw DeclipError(
        .missingInput, "cannot be opened: \(String(cString: strerror(errno)))", file: path)
    }
    defer { free(pointer) }
    return String(cString: pointer)
  }
}
