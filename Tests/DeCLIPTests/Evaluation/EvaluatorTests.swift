import DeCLIP
import Foundation
import Importers
import Testing
import Vision

@testable import Runtime

/// Evaluations of the demo model, and the journals that they keep.
@Suite struct EvaluatorTests {
  private static let shapes = DemoModel.folder.path

  private let folder: String
  private let model: DeCLIP.Model
  private let pool: WorkerPool

  init() throws {
    folder = NSTemporaryDirectory() + "evaluation-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: folder + "/pictures", withIntermediateDirectories: true)
    model = try DemoModel.open()
    pool = try WorkerPool(threads: Threads.available)
  }

  private func copy(_ names: String...) throws {
    for name in names {
      try FileManager.default.copyItem(
        atPath: "\(Self.shapes)/scenes/\(name)", toPath: "\(folder)/pictures/\(name)")
    }
  }

  private func subjects(_ engines: [EngineKind] = [.float, .int8]) throws -> [EvaluationSubject] {
    let names = try String(contentsOfFile: Self.shapes + "/classes.txt", encoding: .utf8)
      .split(separator: "\n").map(String.init)
    let vocabulary = try Vocabulary(names, model: model, templates: .single, pool: pool)
    return engines.map {
      EvaluationSubject(
        name: "shapes", model: model, engine: $0, classes: vocabulary, categories: vocabulary)
    }
  }

  private func evaluator(
    _ dataset: EvaluationDataset, size: Int = 112, modes: [DenseMode] = [.qq]
  ) throws -> Evaluator {
    try Evaluator(
      subjects(), dataset: dataset,
      options: EvaluationOptions(
        modes: modes, layout: InputLayout(size: InputSize(height: size, width: size))),
      pool: pool)
  }

  private func journal(_ evaluator: Evaluator, _ name: String) throws -> EvaluationJournal {
    try EvaluationJournal(
      path: folder + "/" + name, identity: evaluator.identity(), subjects: 2, classes: 86,
      categories: 0)
  }

  private func message(_ body: () throws -> some Any) -> String? {
    do {
      _ = try body()
      return nil
    } catch {
      return (error as? DeclipError)?.description
    }
  }

  @Test func labelsAndModelsAreCompared() throws {
    try copy("demo.png", "demo.labels.png", "scene08.png")
    let dataset = try EvaluationDataset(folder: folder + "/pictures")
    #expect(dataset.pictures.map(\.name) == ["demo.png", "scene08.png"])
    #expect(dataset.pictures.map { $0.labels != nil } == [true, false])
    let result = try evaluator(dataset, size: 224).run { event in
      if case .failed(let error) = event { Issue.record("\(error)") }
    }
    let pass = try #require(result.passes.first)
    #expect(result.passes.count == 1 && pass.pictures == 2 && result.failedPictures == 0)
    let (float, int8) = (pass.tallies[0], pass.tallies[1])
    let accuracy = try #require(float.segmentation?.pixelAccuracy)
    #expect(accuracy > 0.9)
    #expect(float.fidelity == nil)
    let fidelity = try #require(int8.fidelity)
    // All pixels of both pictures, labelled or not.
    #expect(fidelity.pixels == 448 * 336 + 224 * 224)
    #expect((fidelity.labelAgreement ?? 0) > 0.99)
    let content = try #require(fidelity.content?.result)
    // 14 x 14 patches, and of the wider picture the 11 rows that show it.
    #expect(content.tokens == 196 + 14 * 11)
    #expect(content.cosine > 0.999 && content.cosine < 1)
    #expect(content.firstPercentile < content.cosine && content.firstPercentile > 0.99)
    #expect(content.centredCosine < content.cosine && content.shift > 0)
  }

  @Test func whatCannotBeReadIsNamedOnceAndPassedOver() throws {
    try copy("demo.png", "demo.labels.png", "scene08.png", "scene08.labels.png", "scene07.jpg")
    try Data("no picture".utf8).write(to: URL(filePath: folder + "/pictures/broken.png"))
    // Labels of another picture, and a label that is no class.
    try FileManager.default.copyItem(
      atPath: "\(Self.shapes)/scenes/demo.labels.png",
      toPath: folder + "/pictures/scene07.labels.png")
    let wrong = try #require(
      IndexedImage(
        width: 224, height: 224, indices: (0..<224 * 224).map { $0 == 500 ? 86 : 0 },
        palette: Palette.colours(87)))
    try wrong.writePNG(to: folder + "/pictures/scene08.labels.png")
    let dataset = try EvaluationDataset(folder: folder + "/pictures")
    var failures: [String] = []
    let result = try evaluator(dataset, modes: [.qq, .vv]).run { event in
      if case .failed(let error) = event { failures.append(error.description) }
    }
    let path = folder + "/pictures/"
    #expect(
      failures == [
        "\(path)broken.png: is not a picture, expected JPEG or PNG",
        "\(path)scene07.labels.png: is a label map of 448 x 336 pixels, expected 288 x 384 as its "
          + "picture",
        "\(path)scene08.labels.png: has the label 86 at column 52, row 2, expected 0 to 85, the "
          + "numbers of the classes; name labels that count nowhere with --ignore",
      ])
    #expect(result.failedPictures == 3)
    #expect(result.passes.map(\.pictures) == [1, 1])
  }

  @Test func emptyOrMissingFoldersAreRefused() throws {
    #expect(
      message { try EvaluationDataset(folder: folder + "/pictures") }
        == "\(folder)/pictures: holds no pictures, expected NAME.png or NAME.jpg")
    #expect(
      message { try EvaluationDataset(folder: folder + "/none") }
        == "\(folder)/none: cannot be read as a folder, expected pictures NAME.png or NAME.jpg and "
        + "label maps NAME.labels.png")
  }

  /// A journal is read before it is written, which a device that never ends would make endless.
  @Test func journalsAreFiles() throws {
    try copy("demo.png", "demo.labels.png")
    let evaluator = try evaluator(EvaluationDataset(folder: folder + "/pictures"), modes: [.qq])
    symlink("/dev/zero", folder + "/device")
    mkfifo(folder + "/pipe", 0o600)
    for name in ["device", "pipe"] {
      #expect(
        message { try journal(evaluator, name) }
          == "\(folder)/\(name): is not a regular file, from which to go on; name another file "
          + "with --resume")
    }
  }

  /// An evaluation that goes on has the very figures of one that was not interrupted.
  @Test func journalsGoOnWhereTheyEnd() throws {
    try copy("demo.png", "demo.labels.png", "scene07.jpg", "scene07.labels.png", "scene08.png")
    let dataset = try EvaluationDataset(folder: folder + "/pictures")
    let evaluator = try evaluator(dataset, modes: [.qq, .csa])
    var whole: EvaluationResult?
    do { whole = try evaluator.run(journal: journal(evaluator, "a")) { _ in } }
    let expected = try #require(whole)
    let lines = try String(contentsOfFile: folder + "/a", encoding: .utf8)
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(lines.count == 8 && lines.last == "")
    for kept in 0...6 {
      for tail in [
        "", String(lines[min(kept + 1, 6)].prefix(100)), "garbage\n", "{\"pass\":\"qq\"}\n",
      ] {
        let text = lines[0...kept].joined(separator: "\n") + "\n" + tail
        try text.write(toFile: folder + "/b", atomically: true, encoding: .utf8)
        var computed = 0
        let journal = try journal(evaluator, "b")
        #expect(journal.count == kept)
        let result = try evaluator.run(journal: journal) { event in
          if case .began = event { computed += 1 }
        }
        #expect(computed == 6 - kept)
        #expect(result.passes.map(\.tallies) == expected.passes.map(\.tallies))
        #expect(
          try Data(contentsOf: URL(filePath: folder + "/b"))
            == Data(contentsOf: URL(filePath: folder + "/a")))
      }
    }
  }

  @Test func foreignJournalsAreRefusedAndKept() throws {
    try copy("demo.png", "demo.labels.png")
    let dataset = try EvaluationDataset(folder: folder + "/pictures")
    let evaluator = try evaluator(dataset)
    do { _ = try evaluator.run(journal: journal(evaluator, "a")) { _ in } }
    let other = try self.evaluator(dataset, size: 128)
    let path = folder + "/a"
    #expect(
      message { try journal(other, "a") }
        == "\(path): belongs to another evaluation: its input is '112x112 square', expected "
        + "'128x128 square'; name another file with --resume, or delete this one")
    let open = try journal(evaluator, "a")
    #expect(
      message { try journal(evaluator, "a") }
        == "\(path): is being written by another evaluation; wait for it, or name another file "
        + "with --resume")
    #expect(open.count == 1)
    for text in ["my notes", "my notes\n", "{}\n", "{\"pass\":\"qq\"}\nmore\n"] {
      try text.write(toFile: folder + "/mine", atomically: true, encoding: .utf8)
      #expect(
        message { try journal(evaluator, "mine") }
          == "\(folder)/mine: is no journal of an evaluation; name another file with --resume")
      #expect(try String(contentsOfFile: folder + "/mine", encoding: .utf8) == text)
    }
    #expect(message { try journal(evaluator, "none/a") }?.contains("cannot be opened") == true)
  }
}
