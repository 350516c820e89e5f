import Files
import Glibc
import Model

/// Files beside a model that hold the payload of its tensors.
///
/// Locations come from the model and are not trusted: they must lie inside the model's folder,
/// symbolic links resolved.
struct ExternalData {
  private let folder: String
  private let root: String?
  private let budget: MemoryBudget
  private(set) var files: [(name: String, bytes: ByteView)] = []
  /// Places in `files`, by what a model calls them and by where that leads: one file may have many
  /// spellings.
  private var places: [String: Int] = [:]
  /// The bytes of each file that have been added to the budget.
  private var credits: [Int] = []

  /// Files beside the model at `path`; what is read of them adds to `budget`.
  init(beside path: String, budget: MemoryBudget) {
    let end = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    folder = end.map { String(path[...$0]) } ?? "./"
    root = Self.resolved(folder)
    self.budget = budget
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
    let target = location.utf8.contains(0) ? nil : Self.resolved(folder + location)
    guard !location.isEmpty, !location.utf8.contains(0),
      !parts.contains(where: { $0.isEmpty || $0 == ".." }), isInside(target)
    else {
      throw DeclipError(
        .badData,
        "its external data '\(location.debugDescription.dropFirst().dropLast())' lies outside the model's folder",
        place: place, expected: "a path below the model's folder",
        remedy: "put the data file beside the model and export again with a relative location")
    }
    // Resolved paths begin with a slash, which no location does.
    if let target, let known = places[target] {
      places[location] = known
      return known
    }
    do {
      files.append((location, try MappedFile(path: folder + location).bytes))
    } catch {
      throw DeclipError(
        error.kind, "its external data: \(error.problem)", file: error.file, place: place,
        remedy: "keep the file beside the model under this name")
    }
    credits.append(0)
    places[location] = files.count - 1
    if let target { places[target] = files.count - 1 }
    return files.count - 1
  }

  /// Whether a path leads into the folder once symbolic links are resolved; a path that leads
  /// nowhere is left to the one who opens it.
  private func isInside(_ target: String?) -> Bool {
    guard let root, let target else { return true }
    return root == "/" || target.hasPrefix(root + "/")
  }

  private static func resolved(_ path: String) -> String? {
    guard let pointer = realpath(path, nil) else { return nil }
    defer { free(pointer) }
    return String(cString: pointer)
  }
}
