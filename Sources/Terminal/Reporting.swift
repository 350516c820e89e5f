import ArgumentParser
import Glibc
import Model

extension ParsableCommand {
  /// Runs `body`; a `DeclipError` becomes one line on stderr and the exit code of its kind.
  public func reporting(_ body: () throws -> Void) throws {
    do {
      try body()
      // What is printed may still wait in a buffer, and find the disk full.
      guard fflush(nil) == 0 else {
        throw DeclipError(
          .inputOutput, "cannot be written: \(String(cString: strerror(errno)))",
          file: "standard output")
      }
    } catch let error as DeclipError {
      Terminal.printError("\(error)")
      throw ExitCode(error.kind.rawValue)
    }
  }
}

/// What the command lines write beside their results.
public enum Terminal {
  /// Writes `error: TEXT` to stderr.
  public static func printError(_ text: String) {
    write("error: \(text)\n")
  }

  /// Writes `warning: TEXT` to stderr.
  public static func printWarning(_ text: String) {
    write("warning: \(text)\n")
  }

  /// Writes a line to stderr that is neither an error nor a warning.
  public static func printNote(_ text: String) {
    write("\(text)\n")
  }

  /// Whether a person reads stderr.
  public static var isInteractive: Bool { isatty(STDERR_FILENO) == 1 }

  static func write(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }
}
