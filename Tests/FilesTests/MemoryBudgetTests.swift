import Files
import Model
import Testing

@Suite struct MemoryBudgetTests {
  @Test func budgetsFollowTheFile() throws {
    let budget = MemoryBudget(fileSize: 100)
    #expect(budget.remaining == MemoryBudget.base + 200)
    try budget.take(MemoryBudget.base)
    try budget.take(50, bytes: 4)
    #expect(budget.remaining == 0)
    try budget.take(0)
    budget.grow(fileSize: 7)
    #expect(budget.remaining == 14)
  }

  @Test func whatIsTooMuchIsRefusedAndNotTaken() {
    let budget = MemoryBudget(fileSize: 0)
    for (count, bytes) in [(MemoryBudget.base + 1, 1), (Int.max, 2), (-1, 1), (1, -1)] {
      do throws(DeclipError) {
        try budget.take(count, bytes: bytes, place: "table")
        Issue.record("\(count) x \(bytes) bytes were given")
      } catch {
        #expect(
          error.description
            == "table: asks for more memory than a file of its size needs, expected at most twice "
            + "the file and 48 MB; the file is damaged, or made to exhaust memory")
      }
    }
    #expect(budget.remaining == MemoryBudget.base)
  }

  @Test func hugeFilesDoNotOverflow() {
    let budget = MemoryBudget(fileSize: .max)
    budget.grow(fileSize: .max)
    #expect(budget.remaining == .max)
  }
}
