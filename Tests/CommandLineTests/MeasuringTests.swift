import Foundation
import Testing

/// `declip-run bench` and `declip-run compare`.
@Suite struct MeasuringTests {
  private let run = Tool("declip-run")
  private let folder: TemporaryFolder
  private let model: String
  private let scene = Repository.path("fixtures/shapes/scenes/demo.png")

  init() throws {
    folder = try TemporaryFolder()
    model = folder("shapes.declip")
    #expect(
      try Tool("declip-convert")(
        Repository.path("fixtures/shapes/model.safetensors"), "-o", model, "--vision-only"
      ).status == 0)
  }

  private func decode<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
    try JSONDecoder().decode(type, from: Data(text.utf8))
  }

  /// The lines of a table behind the one that starts with `heading`, up to an empty one.
  private func rows(_ text: String, behind heading: String) -> [[Substring]] {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let table = lines.drop { !$0.drop { $0 == " " }.hasPrefix(heading) }.dropFirst()
    return table.prefix { !$0.isEmpty }.map { $0.split(separator: " ") }
  }

  // MARK: bench

  private struct Measurement: Decodable {
    struct Drift: Decodable {
      let residentAtEndBytes: Int
    }
    let height: Int
    let width: Int
    let tokens: Int
    let runs: [Double]
    let medianMilliseconds: Double
    let loadingMilliseconds: Double
    let firstResultMilliseconds: Double
    let bufferBytes: Int
    let peakBytes: Int
    let drift: Drift?
  }

  @Test(arguments: ["float", "int8"]) func benchPrintsEveryPart(engine: String) throws {
    let outcome = try run(
      "bench", "--model", model, "--size", "224", "-r", "2", "--engine", engine)
    #expect(outcome.status == 0)
    let parts = rows(outcome.output, behind: "part").compactMap(\.first).map(String.init)
    let within = engine == "int8" ? ["packing", "scores", "softmax", "values"] : []
    #expect(
      parts == ["embedding", "norm", "q/k/v", "rotation", "attention"] + within
        + ["attention", "mlp", "head", "total"])
    for text in ["median of 2 runs", "tokens/s", "first result after", "peak memory"] {
      #expect(outcome.output.contains(text), "\(text)")
    }
    #expect(outcome.output.contains("of peak") == (engine == "int8"))
    #expect(outcome.output.contains("besides products: ") == (engine == "int8"))
    #expect(!outcome.output.contains("first tenth"))
  }

  @Test func benchTellsTheDriftOfManyRuns() throws {
    let arguments = [
      "bench", "--model", model, "--size", "32", "-r", "1000", "--engine", "int8",
    ]
    let table = try run(arguments)
    #expect(table.status == 0)
    #expect(table.output.contains("\nfirst tenth of the runs: median "))
    let result = try decode(Measurement.self, try run(arguments + ["--json"]).output)
    #expect(result.runs.count == 1000 && result.tokens == 5)
    let drift = try #require(result.drift)
    #expect(drift.residentAtEndBytes <= result.peakBytes)
    #expect(result.firstResultMilliseconds > result.loadingMilliseconds)
  }

  /// Memory is each size's own: the small size that comes after the large one takes less.
  @Test func benchComparesSizes() throws {
    let arguments = [
      "bench", "--model", model, "-r", "2", "--sizes", "448,32,64x96", "--engine", "int8",
    ]
    let results = try decode([Measurement].self, try run(arguments + ["--json"]).output)
    #expect(results.map(\.tokens) == [785, 5, 25])
    #expect(results.map(\.height) == [448, 32, 64] && results.map(\.width) == [448, 32, 96])
    #expect(results[1].peakBytes < results[0].peakBytes)
    #expect(results[1].bufferBytes < results[0].bufferBytes)
    let table = try run(arguments)
    #expect(table.status == 0)
    let rows = rows(table.output, behind: "size")
    #expect(rows.map { $0.first } == ["448x448", "32x32", "64x96"])
    #expect(rows.map { $0.dropFirst().first } == ["785", "5", "25"])
  }

  @Test func benchRefusesSizesBeforeMeasuring() throws {
    let unsuitable = try run("bench", "--model", model, "--sizes", "64,225")
    #expect(unsuitable.status == 64)
    #expect(unsuitable.output == "")
    #expect(
      unsuitable.errors
        == "error: an input of 225x225 pixels cannot be cut into patches of 16, expected multiples "
        + "of 16 up to 32768\n")
    for sizes in ["", "64,", "64;96"] {
      let outcome = try run("bench", "--model", model, "--sizes", sizes)
      #expect(outcome.status == 64 && outcome.errors.contains("--sizes"), "\(sizes)")
    }
    #expect(try run("bench", "--model", model, "--sizes", "64", "--size", "64").status == 64)
  }

  @Test func benchTakesTurnsWithWhoeverPacesIt() throws {
    let outcome = try run(
      ["bench", "--model", model, "--size", "32", "--paced", "--json"], input: "\n\n\n")
    #expect(outcome.status == 0)
    let lines = outcome.output.split(separator: "\n", maxSplits: 3)
    #expect(lines.prefix(3).allSatisfy { (Double($0) ?? 0) > 0 })
    let result = try decode(Measurement.self, String(lines.last ?? ""))
    #expect(result.runs.count == 3)
    let none = try run(["bench", "--model", model, "--size", "32", "--paced"], input: "")
    #expect(none.status == 64)
    #expect(
      none.errors
        == "error: standard input asks for no run, expected a line for each with --paced\n")
  }

  // MARK: compare

  private struct Comparison: Decodable {
    struct Difference: Decodable {
      let isExact: Bool
      let ratio: Double?
      let cosine: Double
      let rangeA: [Double]
    }
    struct Step: Decodable {
      let step: Int
      let block: Int?
      let name: String
      let difference: Difference?
    }
    let pictures: Int
    let patches: Int
    let features: Difference
    let steps: [Step]
  }

  @Test func comparesEnginesOnOneFile() throws {
    let arguments = ["compare", model, model, scene, "--size", "160", "--engine-b", "int8"]
    let outcome = try run(arguments)
    #expect(outcome.status == 0)
    #expect(outcome.errors == "")
    #expect(outcome.output.hasPrefix("A: \(model), float\nB: \(model), int8\nmode qq, 1 picture"))
    #expect(outcome.output.contains("\ndense features: cosine 0.999"))
    let blocks = rows(outcome.output, behind: "block  after")
    #expect(blocks.compactMap(\.first) == ["0", "1", "2", "3", "4"])
    let steps = rows(outcome.output, behind: "step  block")
    #expect(steps.count == 15)
    #expect(outcome.output.contains("not compared, for they are computed within other steps: "))

    let result = try decode(Comparison.self, try run(arguments + ["--json"]).output)
    #expect(result.pictures == 1 && result.patches == 100)
    #expect(result.steps.map(\.step) == Array(result.steps.indices))
    #expect(result.steps.first?.name == "patch embedding")
    #expect(result.steps.last?.difference?.ratio == result.features.ratio)
    // The table's first step is the one with the lowest ratio.
    let lowest = result.steps.min {
      ($0.difference?.ratio ?? .infinity) < ($1.difference?.ratio ?? .infinity)
    }
    #expect(steps.first?.first.flatMap { Int($0) } == lowest?.step)
  }

  @Test func comparesAWalkWithItself() throws {
    let outcome = try run(
      "compare", model, model, scene, scene, "--size", "64", "--engine-a", "float", "--engine-b",
      "float", "--order", "plan", "--steps", "0")
    #expect(outcome.status == 0)
    #expect(
      outcome.output.contains(
        "mode qq, 2 pictures, 32 patches\n\ndense features: cosine 1.00000, centred 1.00000; SNR "
          + "exact, centred exact; the mean token is shifted by 0.000 of the tokens' spread\n"))
    let steps = rows(outcome.output, behind: "step  block")
    #expect(steps.map { $0.first.flatMap { Int($0) } } == Array(steps.indices))
    #expect(steps.count > 60)
    #expect(!outcome.output.contains("not compared"))
  }

  @Test func compareRefusesWhatCannotBeCompared() throws {
    let other = folder("other.declip")
    #expect(
      try Tool("declip-convert")(
        Repository.path("Tests/Goldens/eva02/model.safetensors"), "-o", other
      ).status == 0)
    let models = try run("compare", model, other, scene, "--size", "224")
    #expect(models.status == 64)
    #expect(models.output == "")
    #expect(
      models.errors
        == "error: \(model) and \(other) do not compute the same steps, so that there is nothing to "
        + "compare, expected two files of one model\n")
    let same = try run("compare", model, model, scene)
    #expect(same.status == 64)
    #expect(
      same.errors
        == "error: A and B are the same file, both computed with float; give --engine-b int8 to "
        + "compare engines\n")
    let missing = try run(
      "compare", model, model, folder("none.png"), scene, "--size", "64", "--engine-b", "int8")
    #expect(missing.status == 66)
    #expect(missing.output.contains("1 picture,"))
  }
}
