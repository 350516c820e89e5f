import Glibc
import Model

/// A file that appears under its name whole or not at all.
///
/// Bytes go to a temporary file in the same folder, which `commit` syncs and renames. Dropped
/// without `commit`, the temporary file is removed; killed in the middle, the process leaves
/// only the temporary name behind. A link is followed: the file that it leads to is replaced.
///
/// Devices and pipes are never replaced: for them the bytes are kept in a temporary file without a
/// name, which `commit` copies into the open node.
public struct AtomicFile: ~Copyable {
  /// The final path, as it was given.
  public let path: String
  /// The number of bytes written so far.
  public private(set) var count: UInt64 = 0
  private let destination: OutputDestination
  private var staging: Int32
  /// The temporary file's name; nil where it has none.
  private let temporaryPath: String?

  /// Starts a file that will appear at `path`; throws `cannotCreate`.
  ///
  /// Waits, where `path` is a pipe, for its reader.
  public init(path: String) throws(DeclipError) {
    let destination = try OutputDestination(opening: path)
    let (staging, name) = openStaging(for: destination)
    guard staging >= 0 else {
      let message = systemMessage()
      destination.close()
      throw DeclipError(.cannotCreate, "cannot be created: \(message)", file: path)
    }
    self.path = path
    self.destination = destination
    self.staging = staging
    temporaryPath = name
  }

  /// Appends bytes; throws `inputOutput`, as when the disk is full.
  public mutating func write(_ bytes: UnsafeRawBufferPointer) throws(DeclipError) {
    try writeAll(bytes, to: staging, path)
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
          staging, $0.baseAddress?.advanced(by: done), bytes.count - done,
          off_t(offset) + off_t(done))
      }
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else {
        throw DeclipError(.inputOutput, "cannot be written: \(systemMessage())", file: path)
      }
      done += written
    }
  }

  /// Syncs the bytes to the disk and gives the file its name, or copies them into the node.
  ///
  /// Throws `inputOutput`.
  public consuming func commit() throws(DeclipError) {
    switch destination {
    case .file(let target): try rename(to: target)
    case .node(let node): try copy(to: node)
    }
  }

  private mutating func rename(to target: String) throws(DeclipError) {
    let isSynced = fsync(staging) == 0
    // Closed whatever `close` says.
    let descriptor = staging
    if isSynced { staging = -1 }
    guard isSynced, close(descriptor) == 0 else {
      throw DeclipError(.inputOutput, "cannot be synced: \(systemMessage())", file: path)
    }
    guard let temporaryPath, Glibc.rename(temporaryPath, target) == 0 else {
      throw DeclipError(
        .cannotCreate, "cannot be renamed into place: \(systemMessage())",
        file: path)
    }
    // The rename itself must survive a power cut; a folder that cannot be synced is no error.
    let folder = target.lastIndex(of: "/").map { String(target[...$0]) } ?? "."
    let handle = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if handle >= 0 {
      fsync(handle)
      close(handle)
    }
  }

  private func copy(to node: Int32) throws(DeclipError) {
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    var offset: off_t = 0
    while true {
      let count = pread(staging, &chunk, chunk.count, offset)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else {
        throw DeclipError(.inputOutput, "cannot be written: \(systemMessage())", file: path)
      }
      if count == 0 { break }
      try chunk.span.withUnsafeBytes { bytes throws(DeclipError) in
        try writeAll(UnsafeRawBufferPointer(rebasing: bytes.prefix(count)), to: node, path)
      }
      offset += off_t(count)
    }
    // Pipes and most devices have nothing to sync, and say so.
    guard fsync(node) == 0 || [EINVAL, EROFS, ENOTSUP].contains(errno) else {
      throw DeclipError(.inputOutput, "cannot be synced: \(systemMessage())", file: path)
    }
  }

  /// Writes `bytes` to `path` in one go; throws as `init`, `write` and `commit` do.
  public static func write(_ bytes: [UInt8], to path: String) throws(DeclipError) {
    var file = try AtomicFile(path: path)
    try file.write(bytes)
    try file.commit()
  }

  deinit {
    destination.close()
    if staging >= 0 { close(staging) }
    // After a rename the temporary name no longer exists, and this does nothing.
    if let temporaryPath { unlink(temporaryPath) }
  }
}

/// Writes all bytes to a descriptor; throws `inputOutput` that names `path`.
private func writeAll(
  _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String
) throws(DeclipError) {
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
}

/// A new file beside the destination, and its name, or one without a name in the folder for temporary
/// files; the descriptor is negative where it cannot be made.
private func openStaging(for destination: OutputDestination) -> (Int32, name: String?) {
  if case .file(let target) = destination {
    let name = "\(target).\(getpid()).partial"
    return (open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644), name)
  }
  let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
  var name = Array("\(folder)/declip.XXXXXX".utf8CString)
  let descriptor = mkstemp(&name)
  if descriptor >= 0 {
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    unlink(name)
  }
  return (descriptor, nil)
}
