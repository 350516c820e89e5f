import Foundation

@testable import Model
@testable import Vision

/// The committed pictures and numbers of other systems.
enum Goldens {
  static let folder =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
    + "/Goldens"

  static func image(_ name: String) -> String { "\(folder)/images/\(name)" }

  static func bytes(_ path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  struct Images: Decodable {
    struct Record: Decodable {
      var width: Int
      var height: Int
      var means: [Double]
      var samples: [[Int]]
    }
    struct Resize: Decodable {
      var width: Int
      var height: Int
      var crc: UInt32
    }
    struct Segmentation: Decodable {
      var features: [Float]
      var embeddings: [Float]
      var labels: [UInt16]
      var confidences: [Double]
    }
    var images: [String: Record]
    var resizes: [Resize]
    var segmentation: Segmentation
  }

  static func images() throws -> Images {
    let data = try Data(contentsOf: URL(fileURLWithPath: image("images.json")))
    return try JSONDecoder().decode(Images.self, from: data)
  }

  struct Text: Decodable {
    var text: String
    var tokens: [Int32]
  }

  static func texts() throws -> [Text] {
    let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/tokenizer/texts.json"))
    return try JSONDecoder().decode([Text].self, from: data)
  }

  /// The small vocabulary.
  static func tokenizerData() throws -> TokenizerData {
    let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/tokenizer/vocab.json"))
    let ids = try JSONDecoder().decode([String: Int].self, from: data)
    var vocabulary = [String](repeating: "", count: ids.count)
    for (symbol, id) in ids { vocabulary[id] = symbol }
    let text = try String(contentsOfFile: folder + "/tokenizer/merges.txt", encoding: .utf8)
    let merges = text.split(separator: "\n").dropFirst().map { line in
      let parts = line.split(separator: " ")
      return TokenizerData.Merge(String(parts[0]), String(parts[1]))
    }
    return TokenizerData(
      vocabulary: vocabulary, merges: merges, startToken: ids.count - 2,
      endToken: ids.count - 1, padToken: 0)
  }
}

/// A small random generator (SplitMix64), so that tests repeat.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}

/// The text of the error that `body` throws; nil where it throws none.
func message(_ body: () throws -> some Any) -> String? {
  do {
    _ = try body()
    return nil
  } catch {
    return (error as? DeclipError)?.description ?? "\(error)"
  }
}
