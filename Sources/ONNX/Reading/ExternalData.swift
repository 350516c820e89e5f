import Files
import Glibc
import Model

/// Files beside a model that hold the payload of its tensors.
///
/// Locations come from the model and are not trusted: they must lie inside the model's folder,
/// symbolic links resolved.
struct ExternalData {
  private let folder: String
  private(set) var files: [(name: String, bytes: ByteView)] = []

  /// Files beside the model at `path`.
  init(beside path: String) {
    let end = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    folder = end.map { String(path[...$0]) } ?? "./"
  }

  /// The bytes that `location`, `offset` and `length` name; without a length as many as needed.
  mutating func bytes(
    location: String, offset: UInt64, length: UInt64?, needed: UInt64, place: String
  ) throws(DeclipError) -> ByteView {
    let file = try file(location, place: place)
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
    return bytes
  }

  private mutating func file(_ location: String, place: String) throws(DeclipError) -> ByteView {
    if let known = files.first(where: { $0.name == location }) { return known.bytes }
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    guard !location.isEmpty, !location.utf8.contains(0),
      !parts.contains(where: { $0.isEmpty || $0 == ".." }),
      try isInside(folder + location)
    else {
      throw DeclipError(
        .badData,
        "its external data '\(location.debugDescription.dropFirst().dropLast())' lies outside the model's folder",
        place: place, expected: "a path below the model's folder",
        remedy: "put the data file beside the model and export again with a relative location")
    }
    do {
      let bytes = try MappedFile(path: folder + location).bytes
      files.append((location, bytes))
      return bytes
    } catch {
      throw DeclipError(
        error.kind, "its external data: \(error.problem)", file: error.file, place: place,
        remedy: "keep the file beside the model under this name")
    }
  }

  /// Whether a path leads into the folder once symbolic links are resolved; a path that leads
  /// nowhere is left to the one who opens it.
  private func isInside(_ path: String) throws(DeclipError) -> Bool {
    guard let root = resolved(folder), let target = resolved(path) else { return true }
    return root == "/" || target.hasPrefix(root + "/")
  }

  private func resolved(_ path: String) -> String? {
    guard let pointer = realpath(path, nil) else { return nil }
    defer { free(pointer) }
    return String(cString: pointer)
  }
}
