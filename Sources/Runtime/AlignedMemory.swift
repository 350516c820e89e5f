import Glibc
import Model

/// Zeroed memory aligned to a page, given back with the last reference.
final class AlignedMemory: @unchecked Sendable {
  // Sendable: the bytes are plain memory; who writes where is the owner's contract.
  let base: UnsafeMutableRawPointer
  let count: Int

  /// Reserves `count` bytes; pages are taken when first touched, by the thread that touches them.
  init(count: Int) throws(DeclipError) {
    self.count = max(count, 1)
    let address = mmap(
      nil, self.count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let address, address != MAP_FAILED else {
      throw DeclipError(
        .internal, "the system refuses \(count) bytes of memory", remedy: "use a smaller --size")
    }
    base = address
    // Huge pages spare address translation; where they are not to be had nothing is lost.
    madvise(base, self.count, MADV_HUGEPAGE)
  }

  deinit { munmap(base, count) }

  func floats(at offset: Int) -> UnsafeMutablePointer<Float> {
    (base + offset).assumingMemoryBound(to: Float.self)
  }
}
