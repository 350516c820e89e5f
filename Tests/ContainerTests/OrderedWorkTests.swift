import Synchronization
import Testing

@testable import Container
@testable import Model

@Suite struct OrderedWorkTests {
  @Test(arguments: [1, 2, 7], [1, 3, 100])
  func outputsComeInOrderWithinTheWindow(threads: Int, window: Int) throws {
    let ahead = Atomic(0)
    var list: [Int] = []
    try withOrderedWork(
      count: 50, threads: threads, window: window, makeState: { () throws(DeclipError) in 3 },
      produce: { (state, index) throws(DeclipError) in
        ahead.add(1, ordering: .relaxed)
        return index * state
      },
      consume: { (index, output) throws(DeclipError) in
        // One more than the window: the output in hand has left it.
        let count = ahead.subtract(1, ordering: .relaxed).oldValue
        #expect(count <= max(window + 1, 2))
        #expect(output == index * 3)
        list.append(index)
      })
    #expect(list == Array(0..<50))
  }

  @Test(arguments: [1, 4])
  func firstErrorInOrderIsThrown(threads: Int) {
    var consumed = 0
    #expect {
      try withOrderedWork(
        count: 50, threads: threads, window: 8, makeState: { () throws(DeclipError) in },
        produce: { (_, index) throws(DeclipError) in
          if index % 10 == 7 { throw DeclipError(.badData, "index \(index)") }
        },
        consume: { (_, _) throws(DeclipError) in consumed += 1 })
    } throws: { error in
      (error as? DeclipError)?.problem == "index 7"
    }
    #expect(consumed == 7)
  }

  @Test(arguments: [1, 4])
  func errorsOfStateAndConsumerEndTheWork(threads: Int) {
    #expect(throws: DeclipError(.internal, "no state")) {
      try withOrderedWork(
        count: 50, threads: threads, window: 8,
        makeState: { () throws(DeclipError) in throw DeclipError(.internal, "no state") },
        produce: { (_: Never, _) throws(DeclipError) in },
        consume: { (_, _) throws(DeclipError) in })
    }
    #expect(throws: DeclipError(.inputOutput, "full")) {
      try withOrderedWork(
        count: 50, threads: threads, window: 8, makeState: { () throws(DeclipError) in },
        produce: { (_, _) throws(DeclipError) in },
        consume: { (index, _) throws(DeclipError) in
          if index == 3 { throw DeclipError(.inputOutput, "full") }
        })
    }
  }

  @Test func nothingToDoIsDone() throws {
    try withOrderedWork(
      count: 0, threads: 4, window: 1, makeState: { () throws(DeclipError) in },
      produce: { (_, _) throws(DeclipError) in }, consume: { (_, _) throws(DeclipError) in })
  }
}
