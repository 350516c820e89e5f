import CMappings
import Glibc
import Model

/// A file mapped into memory for reading, unmapped with the last view of it.
///
/// A mapping faults where the file is cut short behind its back, or its medium fails. Reading
/// everything instead would take a model's size in memory once more. So whoever decodes asks
/// `whileUnchanged`, which turns all but the unluckiest moment into an error, and the command lines
/// have faults end the process in words (`endProcessOnFault`).
public final class MappedFile: MappedPages, @unchecked Sendable {
  // Sendable: a private read-only mapping never changes.
  /// The path as it was given.
  public var path: String { file.path }
  private let file: OpenFile
  private let base: UnsafeMutableRawPointer?
  private let count: Int
  /// What faults look the file up in.
  private let entry: OpaquePointer?

  /// The file's bytes; views of them keep the mapping alive.
  public var bytes: ByteView {
    ByteView(owner: self, base: UnsafeRawPointer(base), count: count)
  }

  /// Maps the file at `path`.
  ///
  /// Throws `missingInput` where it cannot be opened or is no regular file, `inputOutput` where
  /// it cannot be mapped.
  public convenience init(path: String) throws(DeclipError) {
    try self.init(OpenFile(path: path))
  }

  /// Maps a file that is open; throws `inputOutput` where it cannot be mapped.
  public init(_ file: consuming OpenFile) throws(DeclipError) {
    count = file.count
    if count == 0 {
      (base, entry) = (nil, nil)
    } else {
      let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, file.descriptor, 0)
      guard let address, address != MAP_FAILED else {
        throw DeclipError(.inputOutput, "cannot be mapped: \(systemMessage())", file: file.path)
      }
      base = address
      let line = "error: \(Self.fault(file.path))\n"
      entry = cmappings_add(address, count, line, line.utf8.count)
    }
    self.file = file
  }

  /// Has a fault in any mapped file end the process: one line on stderr that names the file, and the
  /// exit code of `inputOutput`.
  ///
  /// For command lines; in other programs signals are the application's.
  public static func endProcessOnFault() {
    _ = cmappings_end_process_on_fault(DeclipError.Kind.inputOutput.rawValue)
  }

  /// What is said of a fault, while which nothing more can be found out.
  static func fault(_ path: String) -> DeclipError {
    DeclipError(
      .inputOutput,
      "cannot be read any more: it was cut short while it was in use, or its medium failed",
      file: path, remedy: "restore the file and try again")
  }

  /// Throws `inputOutput` where the file was written to, or cut short, since it was mapped.
  public func requireUnchanged() throws(DeclipError) { try file.requireUnchanged() }

  /// Calls `body`, which reads from the mapping, between two checks that the file is unchanged.
  ///
  /// Throws `inputOutput` where it is not, whatever `body` made of it, and what `body` throws.
  public func whileUnchanged<Result>(
    _ body: () throws(DeclipError) -> Result
  ) throws(DeclipError) -> Result {
    try requireUnchanged()
    let result: Result
    do throws(DeclipError) {
      result = try body()
    } catch {
      try requireUnchanged()
      throw error
    }
    try requireUnchanged()
    return result
  }

  /// Gives the pages of `range` back to the system; they are read again when next touched.
  ///
  /// Keeps the resident size of a process that walks a large file small.
  public func release(_ range: Range<Int>) {
    guard let base else { return }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let start = (range.lowerBound + page - 1) / page * page
    let end = range.upperBound / page * page
    if start >= 0, end <= count, start < end {
      madvise(base + start, end - start, MADV_DONTNEED)
    }
  }

  /// Gives the pages back that lie wholly in `count` bytes from `start`.
  public func release(_ start: UnsafeRawPointer, count: Int) {
    guard let base else { return }
    let offset = start - UnsafeRawPointer(base)
    release(offset..<offset + count)
  }

  deinit {
    cmappings_remove(entry)
    if let base { munmap(base, count) }
  }
}
