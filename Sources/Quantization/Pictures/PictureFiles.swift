import Files
import Glibc
import Model
import Vision

/// The picture files that a user's words name.
public enum PictureFiles {
  /// The paths that `arguments` stand for, sorted and each once: a folder's pictures, a pattern
  /// with `*`, `?` or `[...]`, a text file with a path a line (relative to its folder, lines
  /// beginning with `#` left out), or pictures themselves.
  ///
  /// Of a folder those files are taken that end in .jpg, .jpeg or .png, but for what
  /// `declip-run segment` writes: NAME.labels.png and NAME.overlay.png. Throws `missingInput`
  /// where an argument names nothing.
  public static func paths(of arguments: [String]) throws(DeclipError) -> [String] {
    var found: Set<String> = []
    for argument in arguments { found.formUnion(try paths(of: argument)) }
    return found.sorted()
  }

  private static func paths(of argument: String) throws(DeclipError) -> [String] {
    if let names = entries(of: argument) {
      let folder = argument.hasSuffix("/") ? argument : argument + "/"
      return try require(names.filter(isPicture).map { folder + $0 }, argument)
    }
    if access(argument, F_OK) != 0, argument.contains(where: "*?[".contains) {
      return try require(matches(of: argument), argument)
    }
    let bytes = try ByteView(contentsOf: argument)
    if Image.isPicture(bytes) { return [argument] }
    return try require(lines(of: bytes, argument), argument)
  }

  private static func require(
    _ paths: [String], _ argument: String
  ) throws(DeclipError) -> [String] {
    guard !paths.isEmpty else {
      throw DeclipError(
        .missingInput, "names no pictures", file: argument,
        expected: "JPEG or PNG files, their folder, a pattern or a list of paths")
    }
    return paths
  }

  /// The names in a folder; nil where there is no such folder.
  private static func entries(of path: String) -> [String]? {
    guard let folder = opendir(path) else { return nil }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      names.append(
        withUnsafeBytes(of: entry.pointee.d_name) { bytes in
          String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        })
    }
    return names
  }

  /// Whether a file of a folder is taken as a picture by its name.
  public static func isPicture(_ name: String) -> Bool {
    let name = name.lowercased()
    return !name.hasPrefix(".") && [".jpg", ".jpeg", ".png"].contains(where: name.hasSuffix)
      && ![".labels.png", ".overlay.png"].contains(where: name.hasSuffix)
  }

  private static func matches(of pattern: String) -> [String] {
    var result = glob_t()
    defer { globfree(&result) }
    guard glob(pattern, 0, nil, &result) == 0 else { return [] }
    return (0..<Int(result.gl_pathc)).compactMap { index in
      result.gl_pathv[index].map { String(cString: $0) }
    }
  }

  private static func lines(
    of bytes: ByteView, _ path: String
  ) throws(DeclipError) -> [String] {
    let text = bytes.withUnsafeBytes { String(validating: $0, as: UTF8.self) }
    guard let text, !text.utf8.contains(0) else {
      throw DeclipError(
        .badData, "is neither a picture nor a list of paths", file: path,
        expected: "JPEG, PNG, or text with a path a line")
    }
    let folder = path.lastIndex(of: "/").map { path[...$0] } ?? ""
    return text.split(whereSeparator: \.isNewline)
      .map { line in
        let start = line.drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
      }
      .filter { !$0.isEmpty && !$0.hasPrefix("#") }
      .map { $0.hasPrefix("/") ? $0 : folder + $0 }
  }
}
