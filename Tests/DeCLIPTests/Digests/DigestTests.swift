import DeCLIP
import Foundation
import Model
import Testing
import Vision

@testable import Container
@testable import Runtime

/// The committed table of digests: one file, one picture, one answer, bit for bit, on every instruction set
/// and for any number of threads (formats/numerics.md).
///
/// `DECLIP_WRITE_DIGESTS=1 swift test -c release --filter DigestTests` writes the table anew with the
/// portable kernels, where a change of the numbers is meant.
@Suite(.serialized) struct DigestTests {
  /// A row of the table.
  private struct Entry: Codable {
    let file: String
    let output: String
    let size: String
    let digest: String

    var name: String { "\(file) \(output) \(size)" }
  }

  private static let table = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "digests.json")
  private static let isWriting =
    ProcessInfo.processInfo.environment["DECLIP_WRITE_DIGESTS"] != nil
  private static let sizes = [
    InputSize(height: 224, width: 224), InputSize(height: 560, width: 560),
    InputSize(height: 208, width: 336),
  ]

  /// The demo model, quantised as it is read, and as calibration wrote it, by default and for speed.
  private static func models() throws -> [(name: String, model: DeCLIP.Model)] {
    [
      ("float", try DemoModel.open()),
      ("default", try DeCLIP.Model(path: DemoModel.path("model.int8.declip"))),
      ("speed", try DeCLIP.Model(path: DemoModel.path("model.speed.declip"))),
    ]
  }

  private static func digest(_ values: [Float]) -> String {
    let value = values.withUnsafeBytes { Checksum.of($0) }
    return String(value, radix: 16)
  }

  /// The dense features of the demo picture, stretched to an input.
  private static func digest(
    _ weights: Int8Weights, _ model: DeCLIP.Model, _ mode: DenseMode, _ pixels: [Float],
    _ size: InputSize, _ pool: WorkerPool, _ kernels: Kernels
  ) throws -> String {
    let plan = try Plan.vision(model.architecture, input: size, mode: mode, outputs: [.dense])
    let engine = try Int8Engine(plan: plan, weights: weights, pool: pool, kernels: kernels)
    try pixels.withUnsafeBufferPointer { try engine.run(pixels: $0) }
    return digest(engine.output(.dense))
  }

  /// The demo picture stretched to an input, `[3, height, width]`.
  private static func pixels(_ model: DeCLIP.Model, _ size: InputSize) throws -> [Float] {
    let picture = try Image(path: DemoModel.path("scenes/demo.png"))
      .resized(width: size.width, height: size.height)
    let preprocessing = model.architecture.preprocessing
    return (0..<3).flatMap { channel in
      stride(from: channel, to: picture.pixels.count, by: 3).map {
        (Float(picture.pixels[$0]) / 255 - preprocessing.mean[channel])
          / preprocessing.deviation[channel]
      }
    }
  }

  /// Features of every model, mode and size by some kernels and threads.
  private static func entries(
    _ kernels: Kernels, threads: Int, sizes: [InputSize], modes: [DenseMode]? = nil
  ) throws -> [Entry] {
    let pool = try WorkerPool(threads: threads)
    var entries: [Entry] = []
    for (name, model) in try models() {
      let modes = modes ?? DenseMode.modes(of: model.architecture.family)
      let plans = try modes.map {
        try Plan.vision(model.architecture, input: sizes[0], mode: $0, outputs: [.dense])
      }
      let weights = try Int8Weights(model.container, for: plans, pool: pool, kernels: kernels)
      for size in sizes {
        let pixels = try pixels(model, size)
        for mode in modes {
          entries.append(
            Entry(
              file: name, output: mode.rawValue, size: "\(size)",
              digest: try digest(weights, model, mode, pixels, size, pool, kernels)))
        }
      }
    }
    return entries
  }

  /// Embeddings of some texts by the process's kernels.
  private static func textEntry() throws -> Entry {
    let encoder = try TextEncoder(DemoModel.open(), pool: WorkerPool(threads: 2))
    let texts = try encoder.encode(["a red star", "a photo of a large blue circle", "dog"])
    return Entry(
      file: "float", output: "texts", size: "3", digest: digest(texts.flatMap(\.self)))
  }

  private static func expected() throws -> [String: String] {
    let entries = try JSONDecoder().decode([Entry].self, from: Data(contentsOf: table))
    return Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0.digest) })
  }

  private func compare(_ entries: [Entry], _ what: String) throws {
    let expected = try Self.expected()
    for entry in entries {
      #expect(entry.digest == expected[entry.name], "\(entry.name), \(what)")
    }
  }

  @Test(.enabled(if: isWriting)) func tableIsWritten() throws {
    let portable = try #require(Kernels.available.first)
    let entries =
      try Self.entries(portable, threads: 2, sizes: Self.sizes) + [Self.textEntry()]
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let rows = try entries.map { String(decoding: try encoder.encode($0), as: UTF8.self) }
    try Data(("[\n" + rows.joined(separator: ",\n") + "\n]\n").utf8).write(to: Self.table)
  }

  @Test func everyInstructionSetGivesTheBitsOfTheTable() throws {
    let modes = DenseMode.allCases.count
    #expect(try Self.expected().count == 3 * Self.sizes.count * modes + 1)
    // A set that is forced is tested alone, as all others have runs of their own.
    let isForced = ProcessInfo.processInfo.environment["DECLIP_CPU"] != nil
    let sets = isForced ? [try Kernels.chosen()] : Kernels.available
    for kernels in sets {
      try compare(
        Self.entries(kernels, threads: 2, sizes: Self.sizes), "\(kernels.name), 2 threads")
    }
    print("digests: \(sets.map(\.name).joined(separator: ", "))")
  }

  @Test(arguments: [1, 3, 5]) func anyNumberOfThreadsGivesTheBitsOfTheTable(threads: Int) throws {
    let kernels = try Kernels.chosen()
    let sizes = kernels.name == "portable" ? Array(Self.sizes.prefix(1)) : Self.sizes
    try compare(Self.entries(kernels, threads: threads, sizes: sizes), "\(threads) threads")
  }

  @Test func textsHaveTheBitsOfTheTable() throws {
    try compare([Self.textEntry()], try Kernels.chosen().name)
  }
}
