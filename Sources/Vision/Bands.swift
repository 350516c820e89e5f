import Dispatch
import Glibc

/// Splits `count` rows into bands of about equal size and works on them at the same time.
///
/// `body` is called once for every band, from several threads, and must touch only what belongs
/// to its own rows. At most `threads` bands are made; 0 stands for one a processor.
func forEachBand(of count: Int, threads: Int, _ body: @Sendable (Range<Int>) -> Void) {
  let available = threads > 0 ? threads : max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  let bands = max(1, min(count, available))
  if bands == 1 {
    body(0..<count)
    return
  }
  DispatchQueue.concurrentPerform(iterations: bands) { band in
    body((count * band / bands)..<(count * (band + 1) / bands))
  }
}
