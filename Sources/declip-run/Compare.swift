import ArgumentParser
import CommandOptions
import DeCLIP
import Runtime
import Terminal
import Vision

/// `declip-run compare A B IMAGE...`.
struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show step by step where one model or engine loses precision beside another.",
    discussion: """
      Both walk the same plan on the same pictures. The signal-to-noise ratio of a step is the \
      energy of what A computed over that of B's difference from it; 20 dB are 10 % of error, 40 \
      dB are 1 %. Errors add up along the way: the loss of a step is what it added itself. Centred \
      figures are taken after the mean row of each picture was taken away, for all tokens share \
      much that does not tell them apart.
      """)

  /// The order of the steps.
  enum Order: String, CaseIterable, ExpressibleByArgument {
    case ratio, loss, plan
  }

  @Argument(help: "The .declip model to compare with: usually that in floats.")
  var a: String

  @Argument(help: "The .declip model that is compared; it may be the same file.")
  var b: String

  @Argument(help: "JPEG or PNG pictures; figures are over all of them.")
  var images: [String]

  @Option(help: "What A is computed with; by default int8 for quantised files, else float.")
  var engineA: EngineKind?

  @Option(help: "What B is computed with, in the same way.")
  var engineB: EngineKind?

  @OptionGroup var pictureOptions: PictureOptions

  @OptionGroup var modeOptions: ModeOptions

  @OptionGroup var input: InputOptions

  @OptionGroup var threads: ThreadOptions

  @Option(help: "Which steps come first: the lowest ratio, the largest loss, or as computed.")
  var order = Order.ratio

  @Option(help: "How many steps to print; 0 for all.")
  var steps = 15

  @Flag(help: "Print every step as JSON.")
  var json = false

  func validate() throws {
    guard steps >= 0 else { throw ValidationError("--steps takes 0 or more") }
  }

  func run() throws {
    try reporting {
      let pool = try threads.pool()
      let (first, second) = (try Model(path: a), try Model(path: b))
      let engines = try engines(first, second)
      let comparison = try Comparison(
        reference: ImageEncoder(
          first, mode: modeOptions.mode, outputs: [.dense], engine: engines.a, pool: pool),
        other: ImageEncoder(
          second, mode: modeOptions.mode, outputs: [.dense], engine: engines.b, pool: pool))
      let failure = Pictures(paths: images, pictureOptions).forEach {
        _, image throws(DeclipError) in
        try comparison.add(image, geometry: input.layout().input(for: image, first).geometry)
      }
      if comparison.pictures > 0 {
        if json { try printJSON(comparison, engines) } else { printTables(comparison, engines) }
      }
      if let failure { throw ExitCode(failure.rawValue) }
    }
  }

  typealias Engines = (a: EngineKind, b: EngineKind)

  /// What both are computed with; throws `usage` where nobody asked for a walk beside itself.
  private func engines(_ first: Model, _ second: Model) throws(DeclipError) -> Engines {
    let engines = (engineA ?? first.preferredEngine, engineB ?? second.preferredEngine)
    if a == b, engines.0 == engines.1, engineA == nil || engineB == nil {
      let other = engines.0 == .float ? EngineKind.int8 : .float
      throw DeclipError(
        .usage, "A and B are the same file, both computed with \(engines.0.rawValue)",
        remedy: "give --engine-b \(other.rawValue) to compare engines")
    }
    return engines
  }
}

// MARK: - Tables

extension Compare {
  private func printTables(_ comparison: Comparison, _ engines: Engines) {
    let features = comparison.features
    print(
      """
      A: \(a), \(engines.a.rawValue)
      B: \(b), \(engines.b.rawValue)
      mode \(modeOptions.mode.rawValue), \(comparison.pictures) \
      picture\(comparison.pictures == 1 ? "" : "s"), \(features.rows) patches

      dense features: cosine \(Format.fixed(features.cosine, 5)), centred \
      \(Format.fixed(features.centredCosine, 5)); SNR \(decibels(features.ratio, unit: " dB")), centred \
      \(decibels(features.centredRatio, unit: " dB")); the mean token is shifted by \
      \(Format.fixed(features.shift, 3)) of the tokens' spread

      \(blockTable(comparison.steps).text)

      \(title)
      \(stepTable(comparison.steps).text)
      """)
    let skipped = Self.skipped(comparison.steps)
    if !skipped.isEmpty {
      print("\nnot compared, for they are computed within other steps: \(skipped)")
    }
  }

  private var title: String {
    switch order {
    case .ratio: "lowest ratios first"
    case .loss: "largest losses first"
    case .plan: "as computed"
    }
  }

  private func blockTable(_ steps: [Comparison.StepDifference]) -> Table {
    var table = Table([
      ("block", .right), ("after", .left), ("SNR dB", .right), ("centred", .right),
      ("cosine", .right), ("lowest step", .left), ("SNR dB", .right), ("largest loss", .left),
      ("loss dB", .right),
    ])
    for block in Self.blocks(steps) {
      let own = steps.filter { $0.step.block == block && $0.difference != nil }
      guard let last = own.last, let difference = last.difference,
        let lowest = own.min(by: { Self.ratio($0) < Self.ratio($1) })
      else { continue }
      let lossy = own.filter { $0.loss != nil }.max { ($0.loss ?? 0) < ($1.loss ?? 0) }
      table.add([
        "\(block)", last.step.name, decibels(difference.ratio), decibels(difference.centredRatio),
        Format.fixed(difference.cosine, 5), lowest.step.name, decibels(Self.ratio(lowest)),
        lossy?.step.name ?? "", lossy?.loss.map { Format.fixed($0, 1) } ?? "",
      ])
    }
    return table
  }

  private func stepTable(_ steps: [Comparison.StepDifference]) -> Table {
    var table = Table([
      ("step", .right), ("block", .right), ("what", .left), ("part", .left), ("SNR dB", .right),
      ("centred", .right), ("loss", .right), ("cosine", .right), ("range of A", .right),
      ("range of B", .right),
    ])
    for (index, step) in ordered(steps) {
      guard let difference = step.difference else { continue }
      table.add([
        "\(index)", step.step.block.map { "\($0)" } ?? "", step.step.name,
        step.step.kind.rawValue, decibels(difference.ratio), decibels(difference.centredRatio),
        step.loss.map { Format.fixed($0, 1) } ?? "", Format.fixed(difference.cosine, 5),
        range(difference.referenceRange), range(difference.otherRange),
      ])
    }
    return table
  }

  private func ordered(
    _ steps: [Comparison.StepDifference]
  ) -> [(offset: Int, element: Comparison.StepDifference)] {
    let compared = steps.enumerated().filter { $0.element.difference != nil }
    let sorted =
      switch order {
      case .plan: compared
      case .ratio: compared.sorted { Self.ratio($0.element) < Self.ratio($1.element) }
      case .loss:
        compared.sorted { ($0.element.loss ?? -.infinity) > ($1.element.loss ?? -.infinity) }
      }
    return self.steps == 0 ? sorted : Array(sorted.prefix(self.steps))
  }

  /// The ratio to sort by: what is not a number comes first, as it needs looking at most.
  private static func ratio(_ step: Comparison.StepDifference) -> Double {
    guard let ratio = step.difference?.ratio, !ratio.isNaN else { return -.infinity }
    return ratio
  }

  private static func blocks(_ steps: [Comparison.StepDifference]) -> [Int] {
    Set(steps.compactMap(\.step.block)).sorted()
  }

  /// `rotate query (12 times), ...`.
  private static func skipped(_ steps: [Comparison.StepDifference]) -> String {
    var counts: [(name: String, count: Int)] = []
    for step in steps where step.difference == nil {
      if let index = counts.firstIndex(where: { $0.name == step.step.name }) {
        counts[index].count += 1
      } else {
        counts.append((step.step.name, 1))
      }
    }
    return counts.map { $0.count == 1 ? $0.name : "\($0.name) (\($0.count) times)" }
      .joined(separator: ", ")
  }

  private func decibels(_ ratio: Double, unit: String = "") -> String {
    if ratio == .infinity { return "exact" }
    return ratio.isNaN ? "" : Format.fixed(ratio, 1) + unit
  }

  private func range(_ range: (low: Float, high: Float)) -> String {
    "\(Format.fixed(Double(range.low), 2)) to \(Format.fixed(Double(range.high), 2))"
  }
}

// MARK: - JSON

extension Compare {
  private struct Result: Encodable {
    let a: String
    let b: String
    let engineA: String
    let engineB: String
    let mode: String
    let pictures: Int
    let patches: Int
    let features: Difference
    let steps: [StepResult]
  }

  /// Ratios are absent where the sides are equal or both zero; centred ones for single rows too.
  private struct Difference: Encodable {
    let isExact: Bool
    let ratio: Double?
    let centredRatio: Double?
    let cosine: Double
    let centredCosine: Double
    let shift: Double?
    let rangeA: [Float]
    let rangeB: [Float]

    init(_ difference: RowDifference) {
      isExact = difference.ratio == .infinity
      ratio = Self.finite(difference.ratio)
      centredRatio = Self.finite(difference.centredRatio)
      cosine = difference.cosine
      centredCosine = difference.centredCosine
      shift = Self.finite(difference.shift)
      rangeA = [difference.referenceRange.low, difference.referenceRange.high]
      rangeB = [difference.otherRange.low, difference.otherRange.high]
    }

    private static func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
  }

  /// Without a difference where one engine computes the step within another.
  private struct StepResult: Encodable {
    let step: Int
    let block: Int?
    let name: String
    let part: String
    let loss: Double?
    let difference: Difference?
  }

  private func printJSON(_ comparison: Comparison, _ engines: Engines) throws {
    try JSONOutput.print(
      Result(
        a: a, b: b, engineA: engines.a.rawValue, engineB: engines.b.rawValue,
        mode: modeOptions.mode.rawValue, pictures: comparison.pictures,
        patches: comparison.features.rows, features: Difference(comparison.features),
        steps: comparison.steps.enumerated().map { index, step in
          StepResult(
            step: index, block: step.step.block, name: step.step.name,
            part: step.step.kind.rawValue, loss: step.loss,
            difference: step.difference.map(Difference.init))
        }))
  }
}
