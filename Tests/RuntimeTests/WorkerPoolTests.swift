import Synchronization
import Testing

@testable import Runtime

@Suite struct WorkerPoolTests {
  @Test(arguments: [1, 2, 3, 8]) func everyJobRunsOnce(threads: Int) throws {
    let pool = try WorkerPool(threads: threads)
    for jobs in [0, 1, 2, 7, 100, 70_000] {
      let task = CountingTask(jobs: jobs, threads: threads)
      pool.run(task, jobs: jobs)
      #expect(task.ranEveryJobOnce, "\(jobs) jobs")
      #expect(!task.sharedAWorker, "\(jobs) jobs")
    }
  }

  /// Short tasks in a row meet workers that are awake, late or asleep.
  @Test func manyTasksInARow() throws {
    let pool = try WorkerPool(threads: 4)
    let sum = Atomic<Int>(0)
    for round in 0..<20_000 {
      pool.run(jobs: 3) { job in sum.add(job + round, ordering: .relaxed) }
    }
    let total = sum.load(ordering: .relaxed)
    #expect(total == 20_000 * 3 + 3 * (0..<20_000).reduce(0, +))
  }

  private final class CountingTask: ParallelTask {
    private let jobs: Int
    private let threads: Int
    private let counts: UnsafeMutablePointer<Int>
    private let busy: UnsafeMutablePointer<Atomic<Bool>>
    private let shared = Atomic<Bool>(false)

    init(jobs: Int, threads: Int) {
      self.jobs = jobs
      self.threads = threads
      counts = .allocate(capacity: jobs)
      counts.initialize(repeating: 0, count: jobs)
      busy = .allocate(capacity: threads)
      for worker in 0..<threads { (busy + worker).initialize(to: Atomic(false)) }
    }

    deinit {
      counts.deallocate()
      busy.deinitialize(count: threads)
      busy.deallocate()
    }

    func run(job: Int, worker: Int) {
      if busy[worker].exchange(true, ordering: .acquiring) {
        shared.store(true, ordering: .relaxed)
      }
      counts[job] += 1
      busy[worker].store(false, ordering: .releasing)
    }

    var ranEveryJobOnce: Bool { (0..<jobs).allSatisfy { counts[$0] == 1 } }
    var sharedAWorker: Bool { shared.load(ordering: .relaxed) }
  }
}
