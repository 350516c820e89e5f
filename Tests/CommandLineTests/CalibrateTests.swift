import Container
import Foundation
import Importers
import Model
import Quantization
import Testing

/// `declip-quant calibrate` on the demo model at a size that takes no time.
@Suite struct CalibrateTests {
  private let quant = Tool("declip-quant")
  private let folder: TemporaryFolder
  private let model: String
  private let pictures: String

  init() throws {
    folder = try TemporaryFolder()
    model = folder("float.declip")
    pictures = folder("pictures")
    try ContainerWriter.write(
      CheckpointImporter.read(path: Repository.path("fixtures/shapes/model.safetensors")),
      to: model, options: ContainerOptions(toolVersion: "tests"))
    try FileManager.default.createDirectory(atPath: pictures, withIntermediateDirectories: true)
    for index in [1, 2, 3, 4, 5, 6, 8, 9] {
      let name = "scene0\(index).png"
      try FileManager.default.copyItem(
        atPath: Repository.path("fixtures/shapes/scenes/" + name), toPath: pictures + "/" + name)
    }
  }

  private func calibrate(_ output: String, _ more: String...) throws -> Tool.Outcome {
    try quant(
      ["calibrate", model, "--images", pictures, "--size", "96", "-o", folder(output)] + more)
  }

  @Test func pixelsAreLimited() throws {
    let outcome = try calibrate("a.declip", "--max-pixels", "1000")
    #expect(outcome.status == 65)
    let lines = outcome.errors.split(separator: "\n")
    #expect(lines.count == 9)
    for line in lines.dropLast() {
      #expect(line.hasPrefix("warning: passed over: \(pictures)/scene0"))
      #expect(
        line.hasSuffix("expected 1 to 1000; make it smaller, or allow more with --max-pixels"))
    }
  }

  private func bytes(_ name: String) throws -> Data {
    try Data(contentsOf: URL(filePath: folder(name)))
  }

  private func record(_ name: String) throws -> CalibrationRecord {
    let file = try ContainerFile(path: folder(name))
    return try #require(try file.calibration(as: CalibrationRecord.self))
  }

  @Test func eightPicturesAreEnough() throws {
    let outcome = try calibrate(
      "a.declip", "--classes", "@" + Repository.path("fixtures/shapes/classes.txt"))
    #expect(outcome.status == 0, "\(outcome.errors)")
    let record = try record("a.declip")
    #expect(record.calibrationPictures == 6 && record.heldOutPictures == 2)
    #expect(record.skippedPictures == 0)
    #expect(record.objectives.map(\.mode) == ["qq", "csa", "vanilla"])
    for objective in record.objectives {
      #expect(objective.cosine > 0.999 && objective.centredCosine > 0.995, "\(objective)")
      #expect(objective.width == 96 && objective.height == 96)
      #expect(try #require(objective.labelAgreement) > 0.95)
    }
    #expect(outcome.output.contains("fitted on 6 pictures, measured on 2"))
    let file = try ContainerFile(path: folder("a.declip"))
    try file.check(threads: 2)
    let quantization = try #require(file.quantization)
    #expect(Set(quantization.layers.keys).count == record.layers.count)
    #expect(folder.names == ["a.declip", "float.declip", "pictures"])
  }

  @Test func seedsDecideTheFile() throws {
    for (name, seed, threads) in [("a", "5", "1"), ("b", "5", "2"), ("c", "6", "2")] {
      let outcome = try calibrate(
        name, "--method", "row", "--seed", seed, "--threads", threads)
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    #expect(try bytes("a") == bytes("b"))
    #expect(try bytes("a") != bytes("c"))
  }

  @Test func brokenPicturesAreNamedAndCounted() throws {
    let whole = try Data(contentsOf: URL(filePath: pictures + "/scene03.png"))
    try whole.prefix(whole.count / 2).write(to: URL(filePath: pictures + "/half.png"))
    try Data("no picture".utf8).write(to: URL(filePath: pictures + "/text.jpg"))
    let outcome = try calibrate("a.declip", "--method", "minmax")
    #expect(outcome.status == 0)
    for name in ["half.png", "text.jpg"] {
      #expect(outcome.errors.contains("passed over: \(pictures)/\(name)"), "\(outcome.errors)")
    }
    let record = try record("a.declip")
    #expect(record.skippedPictures == 2)
    #expect(record.calibrationPictures + record.heldOutPictures == 8)
    #expect(record.layers.allSatisfy { $0.method == "minmax" && $0.input?.clip != nil })
  }

  @Test func nothingIsWrittenWithoutPictures() throws {
    let empty = folder("empty")
    try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: true)
    let none = try quant("calibrate", model, "--images", empty, "-o", folder("a.declip"))
    #expect(none.status == 66)
    #expect(none.errors.contains("names no pictures"))
    try Data("no picture".utf8).write(to: URL(filePath: empty + "/text.jpg"))
    let broken = try quant("calibrate", model, "--images", empty, "-o", folder("a.declip"))
    #expect(broken.status == 65)
    #expect(broken.errors.contains("none of 1 pictures can be read"))
    #expect(folder.names == ["empty", "float.declip", "pictures"])
  }

  @Test func aFileThatExistsIsKept() throws {
    try Data("mine".utf8).write(to: URL(filePath: folder("a.declip")))
    let outcome = try calibrate("a.declip")
    #expect(outcome.status == 73)
    #expect(outcome.errors.contains("exists already"))
    #expect(try bytes("a.declip") == Data("mine".utf8))
    #expect(try calibrate("a.declip", "--method", "row", "--force").status == 0)
    #expect(try ContainerFile(path: folder("a.declip")).quantization != nil)
  }

  @Test func textTowersShrinkOrStayOut() throws {
    var sizes: [Int] = []
    for (name, options) in [
      ("source", [String]()), ("f16", ["--text", "f16"]), ("int8", ["--text", "int8"]),
      ("none", ["--vision-only"]),
    ] {
      let outcome = try quant(
        [
          "calibrate", model, "--images", pictures, "--size", "64", "--method", "row", "-o",
          folder(name),
        ] + options)
      #expect(outcome.status == 0, "\(outcome.errors)")
      sizes.append(try bytes(name).count)
      let file = try ContainerFile(path: folder(name))
      try file.check(threads: 1)
      #expect((file.architecture.text == nil) == (name == "none"))
      let texts = file.quantization?.layers.filter { $0.key.tower == .text } ?? [:]
      #expect(texts.isEmpty == (name != "int8"))
      #expect(texts.values.allSatisfy { $0.input == .float })
    }
    // The demo model's own weights are binary16.
    #expect(sizes[0] == sizes[1] && sizes[1] > sizes[2] && sizes[2] > sizes[3], "\(sizes)")
  }

  @Test func wrongOptionsAreUsageErrors() throws {
    for options in [["--target", "1.5"], ["--limit", "1"], ["--percentile", "20"]] {
      let outcome = try quant(
        ["calibrate", model, "--images", pictures, "-o", folder("a.declip")] + options)
      #expect(outcome.status == 64)
      #expect(outcome.errors.contains(options[1]), "\(outcome.errors)")
    }
  }
}
