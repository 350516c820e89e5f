import Model
import Runtime
import Vision

/// Evaluates subjects side by side on the pictures of a dataset.
///
/// Goes through the pictures once for every pass, with one pass's weights in memory at a time; what
/// is kept of a picture are counts and sums. Used by one thread at a time.
public final class Evaluator {
  /// What happens while an evaluation runs.
  public enum Event: Sendable {
    /// A picture begins: `done` of `total` pictures over all passes are finished, `resumed` of
    /// them by an earlier run.
    case began(picture: String, pass: EvaluationPass, done: Int, resumed: Int, total: Int)
    /// A picture cannot be read, or what is known about it is not right; it is passed over.
    case failed(DeclipError)
  }

  private let subjects: [EvaluationSubject]
  private let dataset: EvaluationDataset
  private let options: EvaluationOptions
  private let pool: WorkerPool

  /// Makes an evaluator; throws `usage` where there is nothing to evaluate.
  public init(
    _ subjects: [EvaluationSubject], dataset: EvaluationDataset, options: EvaluationOptions,
    pool: WorkerPool
  ) throws(DeclipError) {
    self.subjects = subjects
    self.dataset = dataset
    self.options = options
    self.pool = pool
    guard !subjects.isEmpty, !passes.isEmpty else {
      throw DeclipError(.usage, "there is nothing to evaluate")
    }
  }

  /// The walks over all pictures, in order.
  public var passes: [EvaluationPass] {
    let hasRegions = !dataset.categories.isEmpty
    return options.modes.map { .dense($0) }
      + (hasRegions && options.regionKinds.contains(.crops) ? [.crops] : [])
  }

  /// What results depend on, for a journal.
  public func identity() throws(DeclipError) -> [String: String] {
    var pictures = FNV1a()
    for picture in dataset.pictures {
      pictures.add("\(picture.name) \(picture.labels ?? "") \(picture.regions?.mask ?? "")")
      for region in picture.regions?.regions ?? [] {
        pictures.add("\(region.category) \(region.segment) \(region.box)")
      }
    }
    let layout = options.layout
    let windows = layout.windows.map { "\($0.size)/\($0.stride.map(String.init) ?? "third")" }
    return [
      "subjects": subjects.map { "\($0.name) \(String($0.digest, radix: 16))" }
        .joined(separator: ", "),
      "passes": passes.map(\.name).joined(separator: ", "),
      "input": "\(layout.size?.description ?? "native") \(layout.fit.rawValue)"
        + (windows.map { " windows \($0)" } ?? ""),
      "regions": options.regionKinds.map(\.rawValue).sorted().joined(separator: ", "),
      "ignored labels": options.ignoredLabels.sorted().map(String.init).joined(separator: ", "),
      "pictures": "\(dataset.pictures.count) \(String(pictures.value, radix: 16))",
      "kernels": try Kernels.chosen().name,
    ]
  }

  /// Evaluates what the journal does not hold yet, and adds everything up.
  ///
  /// Throws `badData` where no picture could be evaluated, and what models and engines throw.
  public func run(
    journal: EvaluationJournal? = nil, observe: (Event) -> Void
  ) throws(DeclipError) -> EvaluationResult {
    var tallies: [EvaluationPass: [String: [EvaluationTally]]] = [:]
    var failed: Set<String> = []
    let total = passes.count * dataset.pictures.count
    var (done, resumed) = (0, 0)
    for pass in passes {
      // Encoders hold the weights; a pass that the journal holds as a whole needs none.
      var bench: EvaluationBench?
      for picture in dataset.pictures {
        if let record = journal?.tallies(pass, picture.name) {
          tallies[pass, default: [:]][picture.name] = record
          (done, resumed) = (done + 1, resumed + 1)
          continue
        }
        observe(
          .began(
            picture: picture.name, pass: pass, done: done, resumed: resumed, total: total))
        done += 1
        let loaded: EvaluationPicture
        do throws(DeclipError) {
          loaded = try EvaluationPicture(
            picture, classes: subjects.first?.classes?.names.count, options, pass)
        } catch {
          // Named once, whatever the number of passes.
          if failed.insert(picture.name).inserted { observe(.failed(error)) }
          continue
        }
        let current =
          if let bench { bench } else {
            try EvaluationBench(subjects, pass, options, pool)
          }
        bench = current
        let found = try current.tallies(of: loaded)
        tallies[pass, default: [:]][picture.name] = found
        try journal?.append(pass, picture.name, found)
      }
    }
    return try result(tallies, failed: failed)
  }

  /// Adds up in the order of pictures, so that an interrupted evaluation ends with the same figures.
  private func result(
    _ tallies: [EvaluationPass: [String: [EvaluationTally]]], failed: Set<String>
  ) throws(DeclipError) -> EvaluationResult {
    var results: [EvaluationResult.Pass] = []
    for pass in passes {
      var sums = subjects.map { _ in EvaluationTally() }
      var count = 0
      for picture in dataset.pictures {
        guard let found = tallies[pass]?[picture.name], !failed.contains(picture.name) else {
          continue
        }
        count += 1
        for (index, tally) in found.enumerated() { sums[index].merge(tally) }
      }
      results.append(EvaluationResult.Pass(pass: pass, pictures: count, tallies: sums))
    }
    guard results.contains(where: { $0.pictures > 0 }) else {
      throw DeclipError(.badData, "no picture could be evaluated")
    }
    return EvaluationResult(
      subjects: subjects.map(\.name), passes: results, failedPictures: failed.count)
  }
}

/// What an evaluation found.
public struct EvaluationResult: Sendable {
  /// What one pass found.
  public struct Pass: Sendable {
    /// The pass.
    public let pass: EvaluationPass
    /// The pictures that were evaluated.
    public let pictures: Int
    /// One for each subject.
    public let tallies: [EvaluationTally]
  }

  /// The subjects' names.
  public let subjects: [String]
  /// The passes in order.
  public let passes: [Pass]
  /// Pictures that were passed over.
  public let failedPictures: Int
}
