import Glibc
import Synchronization

/// Finds what a run reads without having written it; for tests.
///
/// An engine with checks erases its memory before a run, and that of a slot whenever its contents
/// begin or end: all bits become ones, which as floats are not a number. It looks at the rows that
/// each step is about to read, and at those that it made. Bytes and words have scales, which are
/// floats; rows of bytes that share a scale count as erased where they have nothing but ones.
final class MemoryChecks: Sendable {
  private let found = Mutex<Set<MemoryFinding>>([])

  /// What was found so far, in the order of steps: the first is the cause of those that follow.
  var findings: [MemoryFinding] {
    found.withLock { found in
      found.sorted { ($0.step, $0.access.rawValue) < ($1.step, $1.access.rawValue) }
    }
  }

  /// Notes that step `index` reads or makes erased memory in a slot.
  func report(_ access: MemoryFinding.Access, _ slot: Slot, step index: Int, of plan: Plan) {
    let step = plan.steps[index]
    let finding = MemoryFinding(
      step: index, name: step.name, block: step.block, access: access, slot: slot)
    found.withLock { _ = $0.insert(finding) }
  }

  /// Makes memory such as nobody has written.
  static func erase(_ start: UnsafeMutableRawPointer, count: Int) { memset(start, 0xff, count) }
}

/// A step that reads memory which nobody wrote, or makes what is not a number.
struct MemoryFinding: Hashable, CustomStringConvertible {
  /// What the step does with the memory.
  enum Access: Int {
    case reads
    case makes

    fileprivate var fault: String {
      switch self {
      case .reads: "reads what nobody wrote in"
      case .makes: "makes what is not a number in"
      }
    }
  }

  /// The number of the step.
  let step: Int
  /// The step's name, as reports have it.
  let name: String
  /// The block of the step.
  let block: Int?
  let access: Access
  let slot: Slot

  /// Such as `step 40, block 2, copy to context: reads what nobody wrote in query`.
  var description: String {
    let place = block.map { "block \($0), " } ?? ""
    return "step \(step), \(place)\(name): \(access.fault) \(slot)"
  }
}
