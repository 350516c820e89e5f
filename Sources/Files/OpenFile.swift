import Glibc
import Model

/// A regular file that is open for reading, closed when dropped.
///
/// What was checked and what is read is the same descriptor: nobody can put another file between.
public struct OpenFile: ~Copyable, Sendable {
  /// The path as it was given.
  public let path: String
  /// The length in bytes when it was opened.
  public let count: Int
  /// The number of names that the file has.
  public let linkCount: Int
  let descriptor: Int32
  private let modified: timespec

  /// Opens the file at `path`; throws `missingInput` where it cannot be opened or is no regular file.
  public init(path: String) throws(DeclipError) {
    try self.init(descriptor: open(path, O_RDONLY | O_CLOEXEC), path: path)
  }

  /// Opens the file at `relative` below the folder at `folder`, following no link on the way.
  ///
  /// `path` is what errors call it. Throws as `init(path:)` does, for links too.
  public init(
    relative: String, below folder: String, path: String
  ) throws(DeclipError) {
    let names = relative.split(separator: "/").map(String.init)
    var descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    for (index, name) in names.enumerated() where descriptor >= 0 {
      let parent = descriptor
      // Whatever is no regular file is refused below; a pipe must not wait for its writer before.
      let kind = index == names.count - 1 ? O_NONBLOCK | O_NOCTTY : O_DIRECTORY
      descriptor = openat(parent, name, O_RDONLY | kind | O_NOFOLLOW | O_CLOEXEC)
      let reason = errno
      close(parent)
      errno = reason
    }
    try self.init(descriptor: descriptor, path: path)
  }

  private init(descriptor: Int32, path: String) throws(DeclipError) {
    guard descriptor >= 0 else {
      throw DeclipError(.missingInput, "cannot be opened: \(systemMessage())", file: path)
    }
    var status = stat()
    let isExamined = fstat(descriptor, &status) == 0
    guard isExamined, status.st_mode & S_IFMT == S_IFREG else {
      let message = systemMessage()
      close(descriptor)
      throw isExamined
        ? DeclipError(.missingInput, "is not a regular file", file: path)
        : DeclipError(.inputOutput, "cannot be examined: \(message)", file: path)
    }
    self.path = path
    self.descriptor = descriptor
    count = Int(status.st_size)
    linkCount = Int(status.st_nlink)
    modified = status.st_mtim
  }

  /// Throws `inputOutput` where the file was written to, or cut short, since it was opened.
  public func requireUnchanged() throws(DeclipError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw DeclipError(.inputOutput, "cannot be examined: \(systemMessage())", file: path)
    }
    guard Int(status.st_size) >= count else {
      throw DeclipError(
        .inputOutput, "was cut short to \(status.st_size) bytes while it was being read",
        file: path, expected: "\(count) bytes", remedy: "restore the file and try again")
    }
    guard Int(status.st_size) == count, status.st_mtim.tv_sec == modified.tv_sec,
      status.st_mtim.tv_nsec == modified.tv_nsec
    else {
      throw DeclipError(
        .inputOutput, "was changed while it was being read", file: path,
        remedy: "try again once it is complete")
    }
  }

  /// Reads bytes from `offset` on; throws `inputOutput` where they are not all there any more.
  func read(
    into target: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(DeclipError) {
    var done = 0
    while done < target.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: target[done...].prefix(1 << 30))
      let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else {
        throw DeclipError(.inputOutput, "cannot be read: \(systemMessage())", file: path)
      }
      guard count > 0 else {
        throw DeclipError(
          .inputOutput, "was cut short to \(offset + done) bytes while it was being read",
          file: path, expected: "\(self.count) bytes", remedy: "restore the file and try again")
      }
      done += count
    }
  }

  deinit { close(descriptor) }
}

extension ByteView {
  /// The largest file that is read into memory.
  private static let mostInMemory = 64 << 20

  /// The content of the file at `path`: read into memory where it is small, as pictures and lists
  /// are, else mapped.
  ///
  /// Unlike a mapping, memory cannot fault when the file is cut short later. Throws `missingInput`
  /// where the file cannot be opened or is no regular file, `inputOutput` where it cannot be read.
  public init(contentsOf path: String) throws(DeclipError) {
    let file = try OpenFile(path: path)
    guard file.count <= Self.mostInMemory else {
      self = try MappedFile(file).bytes
      return
    }
    try self.init(count: file.count) { target throws(DeclipError) in
      try file.read(into: target, at: 0)
    }
  }
}

/// The system's words for the last error of a system call.
func systemMessage() -> String {
  String(cString: strerror(errno))
}
