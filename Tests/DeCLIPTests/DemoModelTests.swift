import DeCLIP
import Foundation
import Runtime
import Testing
import Vision

/// The demo model on its 24 validation scenes: what `fixtures/README.md` reports, computed by this
/// library from pictures to label maps.
@Suite struct DemoModelTests {
  /// What PyTorch reached on the same files (`fixtures/shapes/train/evaluate.py`).
  private struct Score: Decodable {
    let mode: DenseMode
    let size: Int
    let all: Double
  }

  private struct Scene: Decodable {
    let file: String
    let labels: String
  }

  /// Intersection over union in per cent, averaged over the classes that occur in the scenes,
  /// counted over the pixels of all scenes.
  private func meanIoU(_ mode: DenseMode, size: Int) throws -> Double {
    let model = try DemoModel.open()
    let pool = try WorkerPool(threads: Threads.available)
    let names = try String(contentsOfFile: DemoModel.path("classes.txt"), encoding: .utf8)
      .split(separator: "\n").map(String.init)
    let vocabulary = try Vocabulary(names, model: model, templates: .single, pool: pool)
    let segmenter = try Segmenter(model, vocabulary: vocabulary, mode: mode, pool: pool)
    let scenes = try JSONDecoder().decode(
      [Scene].self, from: Data(contentsOf: DemoModel.folder.appending(path: "scenes.json")))
    #expect(scenes.count == 24)
    var intersections = [Int](repeating: 0, count: names.count)
    var unions = intersections
    var present: Set<Int> = []
    for scene in scenes {
      let picture = try Image(path: DemoModel.path("scenes/" + scene.file))
      let truth = try Image(path: DemoModel.path("scenes/" + scene.labels))
      let map = try segmenter.map(
        of: picture,
        geometry: InputGeometry(
          pictureWidth: picture.width, pictureHeight: picture.height, size: size,
          patchSize: model.architecture.vision.patchSize, fit: .square),
        options: .init(logitScale: model.architecture.logitScale))
      for (index, label) in map.labels.enumerated() {
        let (found, expected) = (Int(label), Int(truth.pixels[3 * index]))
        present.insert(expected)
        unions[expected] += 1
        if found == expected { intersections[found] += 1 } else { unions[found] += 1 }
      }
    }
    let scores = present.map { Double(intersections[$0]) / Double(unions[$0]) }
    return 100 * scores.reduce(0, +) / Double(scores.count)
  }

  /// As features of pictures in int8 are, texts are the same to the last bit for all threads.
  @Test func textsAreTheSameForAllThreads() throws {
    let model = try DemoModel.open()
    let texts = ["a red star", "a photo of a large blue circle on the left", "dog"]
    let expected = try TextEncoder(model, pool: WorkerPool(threads: 1)).encode(texts)
    for threads in [2, 3, 5, 8] {
      #expect(try TextEncoder(model, pool: WorkerPool(threads: threads)).encode(texts) == expected)
    }
  }

  /// Picture decoding, resizing and rounding differ by less than a level of 255, which moves single
  /// pixels at region borders: a tenth of a point.
  @Test func meanIoUIsWhatPyTorchReached() throws {
    let scores = try JSONDecoder().decode(
      [Score].self, from: Data(contentsOf: DemoModel.folder.appending(path: "scores.json")))
    #expect(Set(scores.map(\.mode)) == Set(DenseMode.allCases))
    for score in scores {
      let found = try meanIoU(score.mode, size: score.size)
      #expect(abs(found - score.all) <= 0.1, "\(score.mode.rawValue) at \(score.size)")
    }
  }
}
