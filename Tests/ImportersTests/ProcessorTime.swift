import Foundation

/// The seconds for which the calling thread computed in `body`.
///
/// Waiting for a processor that others keep busy is not counted, so that limits hold beside any load.
func processorSeconds(_ body: () throws -> Void) rethrows -> Double {
  func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
  let start = now()
  try body()
  return now() - start
}
