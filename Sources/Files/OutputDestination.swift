import Glibc
import Model

/// What a path leads to that is written to.
public enum OutputDestination: Sendable {
  /// A regular file, or nothing yet; links are resolved.
  case file(String)
  /// An open device, pipe or the like, which is written through and never replaced.
  case node(Int32)

  /// Whether a file lies at `path` that writing there would replace.
  ///
  /// Throws `cannotCreate` where it is a folder.
  public static func isFile(_ path: String) throws(DeclipError) -> Bool {
    try fileType(of: path) == S_IFREG
  }

  /// Whether what is written to `path` can be read there afterwards: not from a device or a pipe.
  ///
  /// Throws `cannotCreate` where it is a folder.
  public static func canBeReadBack(_ path: String) throws(DeclipError) -> Bool {
    [nil, S_IFREG].contains(try fileType(of: path))
  }

  /// Finds out what `path` leads to and opens it where it is a node.
  ///
  /// Throws `cannotCreate` where it is a folder or cannot be opened.
  init(opening path: String) throws(DeclipError) {
    guard let type = try Self.fileType(of: path) else {
      self = .file(path)
      return
    }
    // A link stays a link. A file without a path, as when standard output is one that was deleted,
    // can only be written through.
    if type == S_IFREG, let target = resolvedPath(path) {
      self = .file(target)
      return
    }
    let node = open(path, O_WRONLY | O_TRUNC | O_NOCTTY | O_CLOEXEC)
    guard node >= 0 else {
      throw DeclipError(.cannotCreate, "cannot be opened: \(systemMessage())", file: path)
    }
    self = .node(node)
  }

  func close() {
    if case .node(let node) = self { Glibc.close(node) }
  }

  /// The type of the file at `path`; nil where there is none, or it cannot be told.
  private static func fileType(of path: String) throws(DeclipError) -> mode_t? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    guard status.st_mode & S_IFMT != S_IFDIR else {
      throw DeclipError(
        .cannotCreate, "is a folder", file: path, remedy: "name a file to write")
    }
    return status.st_mode & S_IFMT
  }
}

/// The path without links; nil where it leads nowhere.
func resolvedPath(_ path: String) -> String? {
  guard let pointer = realpath(path, nil) else { return nil }
  defer { free(pointer) }
  return String(cString: pointer)
}
