import Glibc
import Model

/// A file that appears under its name whole or not at all.
///
/// Bytes go to a temporary file in the same folder, which `commit` syncs and renames. Dropped
/// without `commit`, the temporary file is removed; killed in the middle, the process leaves
/// only the temporary name behind.
public struct AtomicFile: ~Copyable {
  /// The final path.
  public let path: String
  /// The number of bytes written so far.
  public private(set) var count: UInt64 = 0
  private let temporaryPath: String
  private var descriptor: Int32

  /// Starts a file that will appear at `path`; throws `cannotCreate`.
  public init(path: String) throws(DeclipError) {
    self.path = path
    temporaryPath = "\(path).\(getpid()).partial"
    descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw DeclipError(.cannotCreate, "cannot be created: \(systemMessage())", file: path)
    }
  }

  /// Appends bytes; throws `inputOutput`, as when the disk is full.
  public mutating func write(_ bytes: UnsafeRawBufferPointer) throws(DeclipError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let chunk = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
      let written = Glibc.write(descriptor, chunk.baseAddress, chunk.count)
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else {
        throw DeclipError(.inputOutput, "cannot be written: \(systemMessage())", file: path)
      }
      rest = rest.dropFirst(written)
    }
    count += UInt64(bytes.count)
  }

  /// Appends bytes; throws `inputOutput`.
  public mutating func write(_ bytes: [UInt8]) throws(DeclipError) {
    try bytes.span.withUnsafeBytes { bytes throws(DeclipError) in try write(bytes) }
  }

  /// Replaces bytes already written, all before `count`, from `offset` on; throws `inputOutput`.
  ///
  /// For formats whose front is known only once the rest is written.
  public mutating func overwrite(_ bytes: [UInt8], at offset: UInt64) throws(DeclipError) {
    let (end, overflow) = offset.addingReportingOverflow(UInt64(bytes.count))
    guard !overflow, end <= count else {
      throw DeclipError(.internal, "overwrites \(bytes.count) bytes past its end", file: path)
    }
    var done = 0
    while done < bytes.count {
      let written = bytes.withUnsafeBytes {
        pwrite(
          descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done,
          off_t(offset) + off_t(done))
      }
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else {
        throw DeclipError(.inputOutput, "cannot be written: \(systemMessage())", file: path)
      }
      done += written
    }
  }

  /// Syncs the bytes to the disk and gives the file its name; throws `inputOutput`.
  public consuming func commit() throws(DeclipError) {
    guard fsync(descriptor) == 0, close(descriptor) == 0 else {
      throw DeclipError(.inputOutput, "cannot be synced: \(systemMessage())", file: path)
    }
    descriptor = -1
    guard rename(temporaryPath, path) == 0 else {
      throw DeclipError(
        .cannotCreate, "cannot be renamed into place: \(systemMessage())",
        file: path)
    }
    // The rename itself must survive a power cut; a folder that cannot be synced is no error.
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    let handle = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if handle >= 0 {
      fsync(handle)
      close(handle)
    }
  }

  /// Writes `bytes` to `path` in one go; throws as `init`, `write` and `commit` do.
  public static func write(_ bytes: [UInt8], to path: String) throws(DeclipError) {
    var file = try AtomicFile(path: path)
    try file.write(bytes)
    try file.commit()
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    // After a rename the temporary name no longer exists, and this does nothing.
    unlink(temporaryPath)
  }
}
