import Foundation
import Testing
import Vision

@Suite struct RunTests {
  private let run = Tool("declip-run")
  private let convert = Tool("declip-convert")
  private let folder: TemporaryFolder
  private let model: String
  private let scene = Repository.path("fixtures/shapes/scenes/demo.png")
  private let classes = "@" + Repository.path("fixtures/shapes/classes.txt")

  init() throws {
    folder = try TemporaryFolder()
    model = folder("shapes.declip")
    let outcome = try convert(
      Repository.path("fixtures/shapes/model.safetensors"), "-o", model)
    #expect(outcome.status == 0)
    #expect(outcome.errors == "")
  }

  private struct Segmentation: Decodable {
    struct Class: Decodable {
      let name: String
      let label: Int
      let pixels: Int
      let share: Double
      let meanConfidence: Double
    }
    let image: String
    let width: Int
    let height: Int
    let unlabelledPixels: Int
    let classes: [Class]
  }

  private func decode<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
    try JSONDecoder().decode(type, from: Data(text.utf8))
  }

  @Test func segmentsAPictureIntoLabelsOverlayAndJSON() throws {
    let outcome = try run(
      "segment", scene, "--model", model, "--classes", classes, "--output", folder.path, "--json")
    #expect(outcome.status == 0)
    #expect(outcome.errors == "")
    let result = try #require(try decode([Segmentation].self, outcome.output).first)
    let picture = try Image(path: scene)
    #expect(result.width == picture.width && result.height == picture.height)
    #expect(result.classes.reduce(0) { $0 + $1.pixels } == picture.width * picture.height)
    #expect(result.unlabelledPixels == 0)
    #expect(result.classes.first?.name == "wood background")
    #expect(result.classes.allSatisfy { $0.meanConfidence > 0 && $0.meanConfidence <= 1 })

    let labels = try Image(path: folder("demo.labels.png"))
    #expect(labels.width == picture.width && labels.height == picture.height)
    let overlay = try Image(path: folder("demo.overlay.png"))
    #expect(overlay.width >= picture.width && overlay.height >= picture.height)
  }

  /// One window of all of the picture is the picture itself; more of them agree with it mostly.
  @Test func windowsSlideOverPictures() throws {
    func labels(_ options: String...) throws -> [UInt16] {
      let outcome = try run.callAsFunction(
        ["segment", scene, "--model", model, "--classes", classes, "--output", folder.path]
          + options)
      #expect(outcome.status == 0 && outcome.errors == "")
      return try LabelMap(path: folder("demo.labels.png")).labels
    }
    let whole = try labels("--size", "448")
    #expect(try labels("--size", "448", "--window", "448") == whole)
    let windows = try labels("--size", "448", "--window", "224", "--stride", "112")
    let agreement = zip(whole, windows).count { $0 == $1 }
    #expect(windows != whole && agreement > whole.count * 9 / 10)
    // Without a size the shorter side, 336 pixels here, becomes the window's.
    #expect(
      try labels("--window", "336", "--stride", "112")
        == labels("--size", "448", "--window", "336", "--stride", "112"))
    let refusal = try run(
      "segment", scene, "--model", model, "--classes", "a", "--window", "336", "--size", "224x448")
    #expect(refusal.status == 64)
    #expect(
      refusal.errors
        == "error: windows slide over pictures of their own proportions, expected a --size of one "
        + "number, the longer side\n")
    #expect(
      try run("segment", scene, "--model", model, "--classes", "a", "--stride", "112").status == 64)
  }

  @Test func thresholdGivesUnsurePixelsToTheBackground() throws {
    let arguments = [
      "segment", scene, "--model", model, "--classes", "blue circle,yellow moon", "--output",
      folder.path, "--json", "--threshold", "0.95",
    ]
    let unlabelled = try decode(
      [Segmentation].self, try run.callAsFunction(arguments).output)
    #expect((unlabelled.first?.unlabelledPixels ?? 0) > 0)
    let background = try decode(
      [Segmentation].self,
      try run.callAsFunction(arguments + ["--background", "wood background"]).output)
    #expect(background.first?.unlabelledPixels == 0)
    #expect(background.first?.classes.first?.name == "wood background")
  }

  @Test func brokenPictureIsNamedAndTheOthersAreLabelled() throws {
    let broken = folder("broken.png")
    try Data("no picture".utf8).write(to: URL(filePath: broken))
    let outcome = try run(
      "segment", broken, scene, folder("missing.jpg"), "--model", model, "--classes", "a,b",
      "--output", folder.path)
    #expect(outcome.status == 65)
    #expect(
      outcome.errors
        == "error: \(broken): is not a picture, expected JPEG or PNG\n"
        + "error: \(folder("missing.jpg")): cannot be opened: No such file or directory\n")
    #expect(FileManager.default.fileExists(atPath: folder("demo.overlay.png")))
  }

  @Test func pixelsAreLimited() throws {
    let huge = folder("huge.png")
    // A header of 60,000 pixels in either direction, and the beginning of what it promises.
    try Data(
      [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
        + [0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52, 0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60, 8, 2, 0, 0, 0]
        + [0x0f, 0xb0, 0xe2, 0x15, 0, 0, 0, 0, 0x49, 0x44, 0x41, 0x54, 0x35, 0xaf, 0x06, 0x1e]
    ).write(to: URL(filePath: huge))
    func refusal(_ path: String, _ pixels: String, _ limit: Int) -> String {
      "error: \(path): has \(pixels) in all, expected 1 to \(limit); make it smaller, or allow more "
        + "with --max-pixels\n"
    }
    let classified = try run("classify", huge, scene, "--model", model, "--classes", "a,b")
    #expect(classified.status == 65)
    #expect(
      classified.errors == refusal(huge, "60000 x 60000 pixels, 3600000000", 268_435_456))
    let picture = try Image(path: scene)
    let count = picture.width * picture.height
    let features = ["features", scene, "--model", model, "-o", folder("x.npy"), "--max-pixels"]
    #expect(try run(features + ["\(count)"]).status == 0)
    let limited = try run(features + ["\(count - 1)"])
    #expect(limited.status == 65)
    #expect(
      limited.errors
        == refusal(scene, "\(picture.width) x \(picture.height) pixels, \(count)", count - 1))
    #expect(try run(features + ["0"]).status == 64)
  }

  @Test func usageIsCheckedBeforeWork() throws {
    func line(_ arguments: String...) throws -> String {
      let outcome = try run.callAsFunction(arguments)
      #expect(outcome.status == 64, "\(arguments)")
      return outcome.errors
    }
    #expect(
      try line(
        "segment", scene, "other/demo.png", "--model", model, "--classes", "a", "--output",
        folder.path)
        == "error: \(scene) and other/demo.png would be written to the same demo.labels.png; "
        + "label them in two runs with different --output folders\n")
    #expect(
      try line("segment", scene, "--model", model, "--classes", "a,b,a")
        == "error: the class 'a' is given twice\n")
    #expect(
      try line("segment", scene, "--model", model, "--classes", "a", "--size", "225")
        == "error: the input size 225 does not suit the model, expected a multiple of its patch "
        + "size 16, at most 16384; use 224\n")
    #expect(try line("segment", scene, "--model", model).contains("--classes"))
  }

  @Test func damagedModelIsRefusedWithItsName() throws {
    var bytes = try Data(contentsOf: URL(filePath: model))
    bytes[bytes.count - 5000] ^= 1
    let damaged = folder("damaged.declip")
    try bytes.write(to: URL(filePath: damaged))
    let outcome = try run("classify", scene, "--model", damaged, "--classes", "a,b")
    #expect(outcome.status == 65)
    #expect(outcome.errors.hasPrefix("error: \(damaged): "))
  }

  @Test func classifiesIntoTheTopClasses() throws {
    struct Result: Decodable {
      struct Class: Decodable {
        let name: String
        let probability: Double
      }
      let classes: [Class]
    }
    let outcome = try run(
      "classify", scene, "--model", model, "--classes", "grass,wood,water", "-k", "2", "--json",
      "--templates", "single")
    #expect(outcome.status == 0)
    let classes = try #require(try decode([Result].self, outcome.output).first).classes
    #expect(classes.count == 2)
    #expect(classes[0].name == "wood")
    #expect(classes[0].probability > classes[1].probability)
  }

  /// An edge file without a text tower works with embeddings made elsewhere, and says what is
  /// missing without them.
  @Test func visionOnlyModelTakesEmbeddings() throws {
    let edge = folder("edge.declip")
    #expect(
      try convert(
        Repository.path("fixtures/shapes/model.safetensors"), "-o", edge, "--vision-only"
      ).status == 0)
    let refusal = try run("classify", scene, "--model", edge, "--classes", "a,b")
    #expect(refusal.status == 64)
    #expect(
      refusal.errors
        == "error: \(edge): has no text tower; give class embeddings with --embeddings, or "
        + "convert without --vision-only\n")

    // The picture's own embedding as class 'b': it must win.
    let features = try run(
      "features", scene, "--model", edge, "--kind", "image", "-o", folder("image.npy"))
    #expect(features.status == 0)
    let image = try NumPyArray(path: folder("image.npy"))
    #expect(image.shape == [128])
    let pair = try #require(
      NumPyArray(shape: [2, 128], values: image.values.map { -$0 } + image.values))
    try pair.write(to: folder("classes.npy"))
    let outcome = try run(
      "classify", scene, "--model", edge, "--classes", "a,b", "--embeddings",
      folder("classes.npy"), "-k", "1")
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("b          100.0 %  1.0000"))
  }

  /// Where no flag dropped the text tower, none is named.
  @Test func modelsWithoutTextAskForEmbeddings() throws {
    let vision = folder("vision.declip")
    #expect(
      try convert(
        Repository.path("Tests/Goldens/onnx/openclip-image-legacy14.onnx"), "-o", vision
      ).status == 0)
    for command in ["classify", "segment"] {
      let refusal = try run(command, scene, "--model", vision, "--classes", "a,b")
      #expect(refusal.status == 64)
      #expect(
        refusal.errors
          == "error: \(vision): has no text tower; give class embeddings with --embeddings\n")
    }
  }

  @Test(arguments: [("dense", 128), ("content", 256), ("context", 256)])
  func writesFeatures(kind: String, width: Int) throws {
    let path = folder("features.npy")
    let outcome = try run(
      "features", scene, "--model", model, "--kind", kind, "-o", path, "--size", "160x224",
      "--normalize")
    #expect(outcome.status == 0)
    let array = try NumPyArray(path: path)
    #expect(array.shape == [10, 14, width])
    let norm = array.values[..<width].reduce(0) { $0 + $1 * $1 }
    #expect(abs(norm - 1) < 1e-4)
  }
}
