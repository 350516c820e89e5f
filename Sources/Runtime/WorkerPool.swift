import CKernels
import Glibc
import Model
import Synchronization

/// Work that is cut into jobs which may run at the same time.
public protocol ParallelTask: AnyObject {
  /// Does one job; `worker` is below the pool's number of threads and unique among the jobs
  /// that run at the same time.
  func run(job: Int, worker: Int)
}

/// A fixed set of threads that run the jobs of one task after another.
///
/// Between tasks the workers stay awake for a short while, as the steps of a network follow each
/// other within microseconds, and then sleep. The calling thread works too, so a pool of one
/// thread starts none. `run` allocates nothing. One thread at a time may call `run`.
public final class WorkerPool: Sendable {
  /// The number of threads, the caller's included.
  public let threads: Int
  private let board = JobBoard()
  private let handles: [pthread_t]

  /// Starts `threads - 1` workers. Throws `internal` where the system refuses a thread.
  public init(threads: Int) throws(DeclipError) {
    self.threads = max(1, threads)
    _ = BLAS.leavesThreadsToPools
    var handles: [pthread_t] = []
    for worker in 1..<self.threads {
      let start = Unmanaged.passRetained(WorkerStart(board: board, worker: worker))
      var handle = pthread_t()
      let status = pthread_create(
        &handle, nil,
        { argument in
          guard let argument else { return nil }
          let start = Unmanaged<WorkerStart>.fromOpaque(argument).takeRetainedValue()
          start.board.work(as: start.worker)
          return nil
        }, start.toOpaque())
      guard status == 0 else {
        start.release()
        board.stop()
        for handle in handles { pthread_join(handle, nil) }
        throw DeclipError(
          .internal, "the system refuses thread \(worker + 1) of \(threads)",
          remedy: "use fewer --threads")
      }
      handles.append(handle)
    }
    self.handles = handles
  }

  deinit {
    board.stop()
    for handle in handles { pthread_join(handle, nil) }
  }

  /// Runs jobs `0..<jobs` of `task` on all threads and returns when the last has ended.
  public func run(_ task: any ParallelTask, jobs: Int) {
    guard threads > 1, jobs > 1 else {
      for job in 0..<jobs { task.run(job: job, worker: 0) }
      return
    }
    var first = 0
    while first < jobs {
      let count = min(jobs - first, JobBoard.mostJobs)
      board.run(task, from: first, count: count)
      first += count
    }
  }

  /// Runs `body` for every job on all threads; for work outside the hot path.
  public func run(jobs: Int, _ body: (_ job: Int) -> Void) {
    withoutActuallyEscaping(body) { run(ClosureTask(body: $0), jobs: jobs) }
  }
}

private final class ClosureTask: ParallelTask {
  let body: (Int) -> Void
  init(body: @escaping (Int) -> Void) { self.body = body }
  func run(job: Int, worker: Int) { body(job) }
}

private final class WorkerStart {
  let board: JobBoard
  let worker: Int
  init(board: JobBoard, worker: Int) {
    self.board = board
    self.worker = worker
  }
}

/// What the caller and the workers of a pool share.
private final class JobBoard: @unchecked Sendable {
  // Sendable: `task` and `first` are written only while no job can be claimed, and published by
  // `ticket`; everything else is atomic or guarded by `mutex`.

  static let mostJobs = 0xffff
  /// How often an idle worker looks for a job before it sleeps: some 50 microseconds.
  private static let idleSpins = 2000

  /// A generation (32 bits), its number of jobs (16) and the next job to claim (16). Claiming by
  /// compare-and-swap on all three keeps a late worker from touching a newer generation.
  private let ticket = Atomic<UInt64>(0)
  private let finished = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)
  private unowned(unsafe) var task: AnyObject & ParallelTask
  private var first = 0
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let wake: UnsafeMutablePointer<pthread_cond_t>
  private let idle = ClosureTask { _ in }

  init() {
    task = idle
    mutex = .allocate(capacity: 1)
    wake = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wake, nil)
  }

  deinit {
    pthread_cond_destroy(wake)
    pthread_mutex_destroy(mutex)
    wake.deallocate()
    mutex.deallocate()
  }

  func run(_ task: any ParallelTask, from first: Int, count: Int) {
    self.task = task
    self.first = first
    finished.store(0, ordering: .relaxed)
    let generation = (ticket.load(ordering: .relaxed) >> 32) &+ 1
    ticket.store(
      generation << 32 | UInt64(count) << 16, ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
      pthread_mutex_lock(mutex)
      pthread_cond_broadcast(wake)
      pthread_mutex_unlock(mutex)
    }
    while claimAndRun(worker: 0) {}
    var spins = 0
    while finished.load(ordering: .acquiring) < count {
      spins += 1
      // A worker that the system has put aside needs this processor more than the wait does.
      if spins < Self.idleSpins { declip_spin_pause() } else { sched_yield() }
    }
    self.task = idle
  }

  /// Claims one job and runs it; false where none is left.
  private func claimAndRun(worker: Int) -> Bool {
    var seen = ticket.load(ordering: .acquiring)
    while true {
      let next = seen & 0xffff
      guard next < seen >> 16 & 0xffff else { return false }
      let (won, current) = ticket.weakCompareExchange(
        expected: seen, desired: seen + 1, ordering: .acquiringAndReleasing)
      if won {
        task.run(job: first + Int(next), worker: worker)
        finished.add(1, ordering: .releasing)
        return true
      }
      seen = current
    }
  }

  private var hasJob: Bool {
    let seen = ticket.load(ordering: .sequentiallyConsistent)
    return seen & 0xffff < seen >> 16 & 0xffff
  }

  func work(as worker: Int) {
    var spins = 0
    while !stopping.load(ordering: .acquiring) {
      if claimAndRun(worker: worker) {
        spins = 0
      } else if spins < Self.idleSpins {
        spins += 1
        declip_spin_pause()
      } else {
        sleep()
        spins = 0
      }
    }
  }

  private func sleep() {
    pthread_mutex_lock(mutex)
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while !hasJob && !stopping.load(ordering: .acquiring) { pthread_cond_wait(wake, mutex) }
    sleepers.subtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
  }

  func stop() {
    pthread_mutex_lock(mutex)
    stopping.store(true, ordering: .releasing)
    pthread_cond_broadcast(wake)
    pthread_mutex_unlock(mutex)
  }
}
