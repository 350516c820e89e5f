import ArgumentParser
import CommandOptions
import DeCLIP
import Runtime
import Terminal
import Vision

/// `declip-quant evaluate MODEL... --dataset DIR`.
struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure models side by side: segmentation, regions, and how near they are.",
    discussion: """
      The first model is the reference that the others are compared with. Intersection over union is \
      counted over the pixels of all pictures and averaged over the classes that truly occur; \
      accuracy of regions is averaged over classes. Cosines are of the dense features of patches \
      that show the picture; centred, after the mean of the picture was taken away on both sides; \
      shift is how far the mean moved, in units of the features' spread.
      """)

  @Argument(help: "The .declip models, the reference first.")
  var models: [String]

  @OptionGroup var datasetOptions: DatasetOptions

  @OptionGroup var prompts: PromptOptions

  @Option(help: "A .npy file with embeddings of --classes, in their order.")
  var embeddings: String?

  @Option(help: "A .npy file with embeddings of the categories of --panoptic, by ascending id.")
  var categoryEmbeddings: String?

  @Option(
    help: """
      What vision towers are computed with, float or int8, separated by commas: every model with \
      each. By default int8 for quantised files and float for others.
      """)
  var engine: CommaList<EngineKind>?

  @Option(help: "How the last block aggregates, one or more modes separated by commas.")
  var mode = CommaList<DenseMode>([.qq])

  @OptionGroup var pictureOptions: PictureOptions

  @OptionGroup var input: InputOptions

  @OptionGroup var windowOptions: WindowOptions

  @OptionGroup var threads: ThreadOptions

  @Option(
    help: """
      A file that every finished picture is noted in. If it is there already, the evaluation goes \
      on where it was interrupted.
      """)
  var resume: String?

  @Flag(help: "Print JSON instead of tables.")
  var json = false

  func run() throws {
    var failure: DeclipError.Kind?
    try reporting { failure = try evaluate() }
    if let failure { throw ExitCode(failure.rawValue) }
  }

  private func evaluate() throws -> DeclipError.Kind? {
    let pool = try threads.pool()
    let groups = try datasetOptions.classGroups()
    let dataset = try datasetOptions.read()
    let options = EvaluationOptions(
      modes: mode.values, layout: input.layout(windows: windowOptions.windows),
      regionKinds: Set(datasetOptions.regions.values),
      ignoredLabels: Set(datasetOptions.ignore.values), pixelLimit: pictureOptions.maxPixels)
    let subjects = try subjects(groups, dataset, pool)
    let evaluator = try Evaluator(subjects, dataset: dataset, options: options, pool: pool)
    let journal = try resume.map { path throws(DeclipError) in
      try EvaluationJournal(
        path: path, identity: evaluator.identity(), subjects: subjects.count,
        classes: groups?.names.count ?? 0, categories: dataset.categories.count)
    }
    if let journal, let resume, journal.count > 0 {
      Terminal.printNote(
        "\(resume): \(journal.count) of \(evaluator.passes.count * dataset.pictures.count) steps "
          + "are done already")
    }
    let (result, failure) = try run(evaluator, journal)
    let report = EvaluationReport(
      result: result, subjects: subjects, dataset: dataset, folder: datasetOptions.dataset,
      groups: groups)
    if json { try JSONOutput.print(report.summary) } else { print(report.text) }
    return failure
  }

  private func run(
    _ evaluator: Evaluator, _ journal: EvaluationJournal?
  ) throws(DeclipError) -> (EvaluationResult, DeclipError.Kind?) {
    let bar = ProgressBar()
    defer { bar.clear() }
    var failure: DeclipError.Kind?
    let result = try evaluator.run(journal: journal) { event in
      switch event {
      case .began(let picture, let pass, let done, let resumed, let total):
        bar.show(done: done, resumed: resumed, total: total, name: "\(pass.name) \(picture)")
      case .failed(let error):
        bar.clear()
        Terminal.printError("\(error)")
        failure = failure ?? error.kind
      }
    }
    return (result, failure)
  }

  /// Every model with every engine.
  private func subjects(
    _ groups: ClassGroups?, _ dataset: EvaluationDataset, _ pool: WorkerPool
  ) throws(DeclipError) -> [EvaluationSubject] {
    var subjects: [EvaluationSubject] = []
    for path in models {
      let model = try Model(path: path)
      let classes = try groups.map { groups throws(DeclipError) in
        try prompts.vocabulary(groups.names, embeddings: embeddings, model, pool)
      }
      let names = dataset.categories.map(\.name)
      let categories =
        names.isEmpty
        ? nil : try prompts.vocabulary(names, embeddings: categoryEmbeddings, model, pool)
      for engine in engine?.values ?? [model.preferredEngine] {
        subjects.append(
          EvaluationSubject(
            name: path, model: model, engine: engine, classes: classes, categories: categories))
      }
    }
    return subjects
  }
}
