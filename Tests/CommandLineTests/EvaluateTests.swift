import Foundation
import Testing

@testable import Terminal

@Suite struct EvaluateTests {
  private let quant = Tool("declip-quant")
  private let folder: TemporaryFolder
  private let model: String
  private let scenes = Repository.path("fixtures/shapes/scenes")
  private let classes = "@" + Repository.path("fixtures/shapes/classes.txt")
  private let novel = "@" + Repository.path("fixtures/shapes/novel.txt")

  init() throws {
    folder = try TemporaryFolder()
    model = folder("shapes.declip")
    let outcome = try Tool("declip-convert")(
      Repository.path("fixtures/shapes/model.safetensors"), "-o", model)
    #expect(outcome.status == 0)
  }

  private struct Summary: Decodable {
    struct Pass: Decodable {
      let mode: String
      let pictures: Int
      let outcomes: [Outcome]
    }
    struct Outcome: Decodable {
      struct Segmentation: Decodable {
        let meanIntersectionOverUnion: [String: Double]
        let pixelAccuracy: Double
      }
      struct Regions: Decodable {
        let regions: Int
        let thingsTop1: Double
        let thingsTop5: Double
        let stuffTop1: Double
        let stuffTop5: Double
      }
      struct Comparison: Decodable {
        struct Content: Decodable {
          let cosine: Double
          let centredCosine: Double
          let shift: Double
        }
        let labelAgreement: Double
        let content: Content
      }
      let segmentation: Segmentation?
      let regions: [String: Regions]?
      let comparison: Comparison?
    }
    let passes: [Pass]
  }

  private func evaluate(_ options: String...) throws -> Tool.Outcome {
    try quant.callAsFunction(["evaluate", model, "--dataset", scenes] + options)
  }

  /// What PyTorch reaches with the same weights, `fixtures/shapes/scores.json`; see
  /// `DemoModelTests` for the tolerance. The int8 engine loses at most 0.2 points.
  @Test func figuresAreThoseOfPyTorch() throws {
    struct Score: Decodable {
      let mode: String
      let size: Int
      let all: Double
      let novel: Double
      let pixels: Double
    }
    let scores = try JSONDecoder().decode(
      [Score].self,
      from: Data(contentsOf: URL(filePath: Repository.path("fixtures/shapes/scores.json"))))
    let score = try #require(scores.first { $0.mode == "qq" && $0.size == 560 })
    let outcome = try evaluate(
      "--classes", classes, "--novel", novel, "--size", "560", "--engine", "float,int8", "--json")
    #expect(outcome.status == 0 && outcome.errors == "")
    let pass = try #require(
      try JSONDecoder().decode(Summary.self, from: Data(outcome.output.utf8)).passes.first)
    #expect(pass.mode == "qq" && pass.pictures == 24)
    let (float, int8) = (pass.outcomes[0], pass.outcomes[1])
    let means = try #require(float.segmentation?.meanIntersectionOverUnion)
    #expect(abs(100 * (means["all"] ?? 0) - score.all) <= 0.1)
    #expect(abs(100 * (means["novel"] ?? 0) - score.novel) <= 0.1)
    #expect(abs(100 * (float.segmentation?.pixelAccuracy ?? 0) - score.pixels) <= 0.1)
    #expect((means["base"] ?? 0) > (means["all"] ?? 1))
    let own = try #require(int8.segmentation?.meanIntersectionOverUnion)
    #expect((own["all"] ?? 0) >= (means["all"] ?? 1) - 0.002)
    let comparison = try #require(int8.comparison)
    #expect(comparison.labelAgreement > 0.995 && comparison.labelAgreement < 1)
    #expect(comparison.content.cosine > 0.999 && comparison.content.centredCosine > 0.995)
    #expect(comparison.content.shift < 0.05)
    #expect(float.comparison == nil)
  }

  /// PyTorch and torchvision on the same regions, `fixtures/shapes/region_scores.json`. Rounding may
  /// turn one region of a class of one: 100 / 44 points of things.
  @Test func regionsAreThoseOfPyTorch() throws {
    struct Score: Decodable {
      let regions: String
      let size: Int
      let thingsTop1: Double
      let thingsTop5: Double
      let stuffTop1: Double
      let stuffTop5: Double
    }
    let scores = try JSONDecoder().decode(
      [Score].self,
      from: Data(contentsOf: URL(filePath: Repository.path("fixtures/shapes/region_scores.json"))))
    #expect(scores.map(\.regions) == ["boxes", "masks", "crops"])
    let outcome = try evaluate(
      "--panoptic", Repository.path("fixtures/shapes/panoptic.json"), "--panoptic-masks",
      Repository.path("fixtures/shapes/panoptic"), "--size", "560", "--json")
    #expect(outcome.status == 0 && outcome.errors == "")
    let passes = try JSONDecoder().decode(Summary.self, from: Data(outcome.output.utf8)).passes
    #expect(passes.map(\.mode) == ["qq", "crops"])
    for score in scores {
      let pass = passes[score.regions == "crops" ? 1 : 0]
      let found = try #require(pass.outcomes.first?.regions?[score.regions])
      #expect(found.regions == 97)
      #expect(abs(100 * found.thingsTop1 - score.thingsTop1) < 2.3, "\(score.regions)")
      #expect(abs(100 * found.thingsTop5 - score.thingsTop5) < 2.3, "\(score.regions)")
      #expect(abs(100 * found.stuffTop1 - score.stuffTop1) < 4.2, "\(score.regions)")
      #expect(abs(100 * found.stuffTop5 - score.stuffTop5) < 4.2, "\(score.regions)")
    }
  }

  @Test func tablesNameModelsClassesAndRegions() throws {
    let outcome = try evaluate(
      "--classes", classes, "--novel", novel, "--engine", "float,int8", "--size", "112",
      "--panoptic", Repository.path("fixtures/shapes/panoptic.json"), "--panoptic-masks",
      Repository.path("fixtures/shapes/panoptic"), "--regions", "boxes,masks")
    #expect(outcome.status == 0 && outcome.errors == "")
    for line in [
      "\(scenes): 24 pictures, 24 with label maps of 86 classes",
      "2: \(model), int8",
      "class             pixels     1     2",
      "   model          engine   all  base  novel  pixels\n1  shapes.declip  float  ",
      "regions: 73 of 44 classes of things, 24 of 6 classes of stuff; mean accuracy",
      "2  shapes.declip  int8    masks       qq ",
      "   model          engine  same label  cosine  1st percentile  centred  shift\n2  shapes",
    ] { #expect(outcome.output.contains(line), "\(line)") }
    #expect(outcome.output.contains(/red star +0\.4 %.*novel\n/))
    #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  /// Killed in the middle and started again, with the figures of a run that was left alone.
  @Test func killedEvaluationGoesOn() throws {
    let options = [
      "evaluate", model, "--dataset", scenes, "--classes", classes, "--engine", "float,int8",
      "--mode", "qq,csa", "--size", "224", "--json",
    ]
    let whole = try quant.callAsFunction(options + ["--resume", folder("whole")])
    #expect(whole.status == 0 && whole.errors == "")

    let journal = folder("journal")
    func lines() -> Int {
      ((try? Data(contentsOf: URL(filePath: journal))) ?? Data()).count { $0 == 10 }
    }
    let process = quant.process(options + ["--resume", journal])
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    // A guard against hanging alone.
    let deadline = Date().addingTimeInterval(600)
    while lines() < 5, Date() < deadline, process.isRunning { usleep(1000) }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    #expect(process.terminationReason == .uncaughtSignal)
    let done = lines() - 1
    #expect(done >= 4 && done < 48)

    let resumed = try quant.callAsFunction(options + ["--resume", journal])
    #expect(resumed.status == 0)
    #expect(resumed.errors == "\(journal): \(done) of 48 steps are done already\n")
    #expect(resumed.output == whole.output)
    // What is finished is only read.
    let again = try quant.callAsFunction(options + ["--resume", journal])
    #expect(again.output == whole.output && again.errors.contains("48 of 48 steps"))
  }

  @Test func usageIsCheckedBeforeWork() throws {
    func line(_ options: String...) throws -> String {
      let outcome = try quant.callAsFunction(["evaluate", model] + options)
      #expect(outcome.status == 64, "\(options)")
      return String(outcome.errors.split(separator: "\n").first ?? "")
    }
    #expect(try line().contains("--dataset"))
    #expect(
      try line("--dataset", scenes)
        == "Error: give the --classes of label maps, or regions with --panoptic")
    #expect(
      try line("--dataset", scenes, "--classes", classes, "--novel", "red dragon")
        == "error: 'red dragon' is none of the classes")
    #expect(try line("--dataset", scenes, "--classes", "a", "--mode", "qq,xy").contains("qq,xy"))
    #expect(try line("--dataset", scenes, "--classes", "a", "--engine", "").contains("engine"))
    #expect(
      try line("--dataset", scenes, "--classes", "a", "--panoptic-masks", "x")
        == "Error: --panoptic-masks needs --panoptic")
    #expect(try line("--dataset", scenes, "--classes", classes, "--size", "100").contains("use 96"))
  }

  @Test func brokenInputsAreOneLine() throws {
    let missing = try evaluate("--classes", classes, "--panoptic", folder("none.json"))
    #expect(missing.status == 66)
    let json = folder("broken.json")
    try Data(#"{"categories": [{"id": 1, "name": "a"}], "images": 3}"#.utf8)
      .write(to: URL(filePath: json))
    let broken = try evaluate("--panoptic", json)
    #expect(broken.status == 65)
    #expect(
      broken.errors
        == "error: \(json): key 'images' at byte 51: is 3, expected an array\n")
    let labels = folder("labels")
    try FileManager.default.createDirectory(atPath: labels, withIntermediateDirectories: true)
    try Data("x".utf8).write(to: URL(filePath: labels + "/a.png"))
    let none = try quant("evaluate", model, "--dataset", labels, "--classes", "a,b")
    #expect(none.status == 65)
    #expect(
      none.errors
        == "error: \(labels)/a.png: is not a picture, expected JPEG or PNG\n"
        + "error: no picture could be evaluated\n")
  }

  @Test func timeLeftIsThatOfThisRun() {
    #expect(ProgressBar.timeLeft(after: .seconds(10), done: 5, remaining: 30) == .seconds(60))
    #expect(ProgressBar.timeLeft(after: .seconds(10), done: 0, remaining: 30) == nil)
    #expect(
      ProgressBar.line(done: 12, total: 48, name: "qq a.png", left: .seconds(83), columns: 80)
        == "[#####...............] 12/48, 1:23 left, qq a.png")
    #expect(
      ProgressBar.line(done: 0, total: 3, name: "qq a.png", left: nil, columns: 40)
        == "[....................] 0/3, qq a.png")
    #expect(
      ProgressBar.line(done: 3, total: 3, name: "x", left: .seconds(3723), columns: 30)
        == "[####################] 3/3, 1")
  }
}
