import Glibc
import Model

/// Makes `count` outputs on several threads and hands them over in order.
///
/// `produce` runs for every index in `0..<count`, on one of `threads` threads, each with a state of
/// its own from `makeState`. `consume` runs on the calling thread, index after index. At most
/// `window` outputs exist at a time, which bounds memory. The first error, in order of indices,
/// ends the work and is thrown.
func withOrderedWork<State, Output: Sendable>(
  count: Int, threads: Int, window: Int,
  makeState: @escaping @Sendable () throws(DeclipError) -> State,
  produce: @escaping @Sendable (State, Int) throws(DeclipError) -> Output,
  consume: (Int, Output) throws(DeclipError) -> Void
) throws(DeclipError) {
  guard threads > 1, count > 1 else {
    let state = try makeState()
    for index in 0..<count { try consume(index, produce(state, index)) }
    return
  }
  let queue = OrderedQueue<Output>(count: count, window: max(window, 1))
  var handles: [pthread_t] = []
  defer {
    queue.cancel()
    for handle in handles { pthread_join(handle, nil) }
  }
  for _ in 0..<min(threads, count) {
    let work = Work {
      let state: State
      do throws(DeclipError) {
        state = try makeState()
      } catch {
        if let index = queue.take() { queue.put(index, .failure(error)) }
        return
      }
      while let index = queue.take() {
        do throws(DeclipError) {
          queue.put(index, .success(try produce(state, index)))
        } catch {
          queue.put(index, .failure(error))
        }
      }
    }
    var handle = pthread_t()
    let argument = Unmanaged.passRetained(work)
    let status = pthread_create(
      &handle, nil,
      { pointer in
        if let pointer { Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().body() }
        return nil
      }, argument.toOpaque())
    if status == 0 {
      handles.append(handle)
    } else {
      argument.release()
    }
  }
  guard !handles.isEmpty else {
    throw DeclipError(.internal, "no thread can be started")
  }
  for index in 0..<count { try consume(index, queue.next(index).get()) }
}

/// What a thread runs.
private final class Work: Sendable {
  let body: @Sendable () -> Void

  init(_ body: @escaping @Sendable () -> Void) {
    self.body = body
  }
}

/// Indices on their way to the threads and outputs on their way back.
private final class OrderedQueue<Output: Sendable>: @unchecked Sendable {
  // Sendable: the mutex guards everything that changes.
  private let count: Int
  private let window: Int
  private var taken = 0
  private var consumed = 0
  private var isCancelled = false
  private var outputs: [Int: Result<Output, DeclipError>] = [:]
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init(count: Int, window: Int) {
    self.count = count
    self.window = window
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(changed, nil)
  }

  /// The next index to work on; waits while the window is full, nil at the end.
  func take() -> Int? {
    locked {
      while !isCancelled, taken < count, taken >= consumed + window {
        pthread_cond_wait(changed, mutex)
      }
      guard !isCancelled, taken < count else { return nil }
      defer { taken += 1 }
      return taken
    }
  }

  func put(_ index: Int, _ output: Result<Output, DeclipError>) {
    locked {
      outputs[index] = output
      pthread_cond_broadcast(changed)
    }
  }

  /// Waits for the output of `index`, the one after the last consumed.
  func next(_ index: Int) -> Result<Output, DeclipError> {
    locked {
      while true {
        if let output = outputs.removeValue(forKey: index) {
          consumed = index + 1
          pthread_cond_broadcast(changed)
          return output
        }
        pthread_cond_wait(changed, mutex)
      }
    }
  }

  func cancel() {
    locked {
      isCancelled = true
      pthread_cond_broadcast(changed)
    }
  }

  private func locked<Value>(_ body: () -> Value) -> Value {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
    changed.deallocate()
  }
}
