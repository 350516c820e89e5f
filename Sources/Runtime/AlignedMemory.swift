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
    // Huge pages are not asked for: what they spare in translating addresses is lost in noise, while
    // a virtual machine whose host took its free memory back waits milliseconds for each.
    base = address
  }

  /// Takes the pages that lie wholly in `count` bytes from `start`, for which the system needs less
  /// time at once than one by one as they are touched. For the thread that touches them first.
  func takePages(_ start: Int, count: Int) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let first = (start + page - 1) / page * page
    let end = (start + count) / page * page
    // Where the system is too old for it, touching them does.
    if first < end { madvise(base + first, end - first, MADV_POPULATE_WRITE) }
  }

  deinit { munmap(base, count) }

  func floats(at offset: Int) -> UnsafeMutablePointer<Float> {
    (base + offset).assumingMemoryBound(to: Float.self)
  }
}
