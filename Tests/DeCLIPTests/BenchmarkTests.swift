import DeCLIP
import Runtime
import Testing

@Suite struct BenchmarkTests {
  private func benchmark(
    repeats: Int, while isDue: () -> Bool = { true }, done: (Double) -> Void = { _ in }
  ) throws -> Benchmark {
    let encoder = try ImageEncoder(
      DemoModel.open(), mode: .qq, outputs: [.dense], engine: .int8,
      pool: WorkerPool(threads: 2))
    return try Benchmark(
      encoder, size: InputSize(height: 32, width: 48), repeats: repeats, while: isDue, done: done)
  }

  private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

  @Test func partsMakeUpTheRuns() throws {
    let result = try benchmark(repeats: 20)
    #expect(result.runs.count == 20 && result.runs.allSatisfy { $0 > 0 })
    #expect(result.tokens == 7)
    #expect(result.firstRun > 0)
    #expect(result.drift == nil)
    let sum = result.parts.reduce(0) { $0 + $1.milliseconds }
    // Half of the values reach their median, which is thus at most twice their mean.
    #expect(sum > 0 && sum <= 2 * mean(result.runs))
    let growths = Set(result.parts.map(\.kind.growth))
    #expect(growths == Set(CostGrowth.allCases))
  }

  @Test func attentionIsSumOfItsParts() throws {
    let result = try benchmark(repeats: 5)
    guard try Kernels.chosen().name != "portable" else {
      #expect(result.attention.isEmpty && result.rest == nil)
      return
    }
    #expect(result.attention.map(\.name) == ["packing", "scores", "softmax", "values"])
    #expect(result.attention.allSatisfy { $0.milliseconds > 0 })
    let whole = try #require(result.parts.first { $0.kind == .attention })
    let milliseconds = result.attention.reduce(0) { $0 + $1.milliseconds }
    #expect(abs(milliseconds / whole.milliseconds - 1) < 1e-9)
    let operations = result.attention.reduce(0) { $0 + $1.operations }
    #expect(abs(operations / whole.operations - 1) < 1e-9)
    let rest = try #require(result.rest)
    let norm = try #require(result.parts.first { $0.kind == .norm })
    // A median of steps and one of attention, neither of them more than twice a mean run.
    #expect(rest > norm.milliseconds && rest <= 4 * mean(result.runs))
  }

  @Test func whoeverPacesItEndsIt() throws {
    var (asked, told) = (0, [Double]())
    let result = try benchmark(
      repeats: 1000,
      while: {
        asked += 1
        return asked <= 3
      }, done: { told.append($0) })
    #expect(result.runs.count == 3 && result.runs == told)
    #expect(result.drift == nil)
  }

  /// Other tests run in this process meanwhile, so that the figures themselves say nothing here.
  @Test func manyRunsTellTheirDrift() throws {
    let drift = try #require(try benchmark(repeats: Benchmark.soakRuns).drift)
    #expect(drift.firstTenth > 0 && drift.lastTenth > 0)
    #expect(drift.residentAfterFirst > 1 << 20 && drift.residentAtEnd > 1 << 20)
  }

  @Test func memoryIsWhatTheSystemCounts() throws {
    let before = try #require(ProcessMemory.resident)
    let size = 64 << 20
    let block = [UInt8](repeating: 1, count: size)
    let peak = try #require(ProcessMemory.peak)
    #expect(block[size - 1] == 1)
    // Other tests may give memory back meanwhile.
    #expect(peak >= before && peak >= UInt64(size))
  }
}
