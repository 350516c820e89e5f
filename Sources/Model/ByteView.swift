/// A read-only run of bytes together with whatever keeps them alive: a memory-mapped file or a
/// buffer. Slicing copies nothing.
public struct ByteView: @unchecked Sendable {
  // Sendable because the bytes are immutable for as long as the owner lives.
  private let owner: AnyObject
  private let base: UnsafeRawPointer?
  /// The number of bytes.
  public let count: Int

  /// A view of `count` bytes at `base`, which stay valid and unchanged as long as `owner` lives.
  public init(owner: AnyObject, base: UnsafeRawPointer?, count: Int) {
    self.owner = owner
    self.base = count == 0 ? nil : base
    self.count = count
  }

  /// A view that owns a copy of `bytes`.
  public init(_ bytes: [UInt8]) {
    self.init(count: bytes.count) { $0.copyBytes(from: bytes) }
  }

  /// A view that owns `count` fresh bytes, filled by `body`.
  public init<Failure: Error>(
    count: Int, filledBy body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    let buffer = OwnedBytes(count: count)
    try body(buffer.bytes)
    self.init(owner: buffer, base: UnsafeRawPointer(buffer.bytes.baseAddress), count: count)
  }

  /// Calls `body` with the bytes; the pointer must not leave it.
  public func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(owner) {} }
    return try body(UnsafeRawBufferPointer(start: base, count: count))
  }

  /// Gives memory-mapped pages that lie wholly in the view back to the system, which reads them
  /// again when they are next touched; does nothing for bytes in memory.
  public func releasePages() {
    if let base, let pages = owner as? any MappedPages { pages.release(base, count: count) }
  }

  /// The bytes from `offset`, `length` of them, or nil where they do not all lie inside.
  public func slice(offset: UInt64, length: UInt64) -> ByteView? {
    let (end, overflow) = offset.addingReportingOverflow(length)
    guard !overflow, end <= UInt64(count) else { return nil }
    return ByteView(owner: owner, base: base?.advanced(by: Int(offset)), count: Int(length))
  }
}

/// An owner of bytes whose pages can be read again from where they came.
public protocol MappedPages: AnyObject {
  /// Gives back the pages that lie wholly in `count` bytes from `base`.
  func release(_ base: UnsafeRawPointer, count: Int)
}

/// 64-byte aligned memory, freed with the last reference.
private final class OwnedBytes {
  let bytes: UnsafeMutableRawBufferPointer

  init(count: Int) {
    bytes = .allocate(byteCount: count, alignment: 64)
  }

  deinit { bytes.deallocate() }
}
