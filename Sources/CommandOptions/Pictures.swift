import DeCLIP
import Terminal
import Vision

/// Goes through the pictures of a command: one that cannot be read is named and passed over, and
/// the command then ends with its exit code.
public struct Pictures {
  private let paths: [String]
  private let options: PictureOptions

  /// Pictures by their paths.
  public init(paths: [String], _ options: PictureOptions) {
    self.paths = paths
    self.options = options
  }

  /// Calls `body` with every picture that can be read; returns the first failure's kind, if any.
  public func forEach(
    _ body: (_ path: String, _ image: Image) throws(DeclipError) -> Void
  ) -> DeclipError.Kind? {
    var failure: DeclipError.Kind?
    var progress = Progress(total: paths.count)
    for path in paths {
      progress.begin(path)
      do throws(DeclipError) {
        try body(path, try Image(path: path, limit: options.maxPixels))
      } catch {
        progress.end()
        Terminal.printError("\(error)")
        failure = failure ?? error.kind
      }
    }
    progress.end()
    return failure
  }

  /// The file name of a path without folders and its last extension.
  public static func stem(_ path: String) -> String {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
    return String(name[..<dot])
  }
}
