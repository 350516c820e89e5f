/// Memory that grows to the largest size asked for. For one thread at a time.
final class Scratch {
  private var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: 64)

  /// `count` bytes, valid until the next call.
  func bytes(_ count: Int) -> UnsafeMutableRawBufferPointer {
    if buffer.count < count {
      buffer.deallocate()
      buffer = .allocate(byteCount: count, alignment: 64)
    }
    return UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(count))
  }

  deinit { buffer.deallocate() }
}
