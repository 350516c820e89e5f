import Glibc
import Model

/// A file mapped into memory for reading, unmapped with the last view of it.
public final class MappedFile: MappedPages, @unchecked Sendable {
  // Sendable: a private read-only mapping never changes.
  /// The path as it was given.
  public let path: String
  private let base: UnsafeMutableRawPointer?
  private let count: Int

  /// The file's bytes; views of them keep the mapping alive.
  public var bytes: ByteView {
    ByteView(owner: self, base: UnsafeRawPointer(base), count: count)
  }

  /// Maps the file at `path`.
  ///
  /// Throws `missingInput` where it cannot be opened or is no regular file, `inputOutput` where
  /// it cannot be mapped.
  public init(path: String) throws(DeclipError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw DeclipError(.missingInput, "cannot be opened: \(systemMessage())", file: path)
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw DeclipError(.inputOutput, "cannot be examined: \(systemMessage())", file: path)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw DeclipError(.missingInput, "is not a regular file", file: path)
    }
    self.path = path
    count = Int(status.st_size)
    if count == 0 {
      base = nil
    } else {
      let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0)
      guard let address, address != MAP_FAILED else {
        throw DeclipError(.inputOutput, "cannot be mapped: \(systemMessage())", file: path)
      }
      base = address
    }
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
    if let base { munmap(base, count) }
  }
}

/// The system's words for the last error of a system call.
func systemMessage() -> String {
  String(cString: strerror(errno))
}
