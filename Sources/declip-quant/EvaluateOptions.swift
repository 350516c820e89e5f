import ArgumentParser
import CommandOptions
import DeCLIP
import Importers
import Vision

/// Values separated by commas.
struct CommaList<Element: ExpressibleByArgument & Hashable>: ExpressibleByArgument {
  let values: [Element]

  init(_ values: [Element]) { self.values = values }

  /// Every value once, in the order given; nil where one is none, or there are none.
  init?(argument: String) {
    var values: [Element] = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      guard let value = Element(argument: String(part)) else { return nil }
      if !values.contains(value) { values.append(value) }
    }
    guard !values.isEmpty else { return nil }
    self.values = values
  }

  var defaultValueDescription: String {
    values.map(\.defaultValueDescription).joined(separator: ",")
  }
}

extension RegionKind: ExpressibleByArgument {}

/// What models are evaluated on.
struct DatasetOptions: ParsableArguments {
  @Option(
    help: """
      A folder of pictures NAME.png or NAME.jpg with label maps NAME.labels.png, whose palette \
      indices or grey levels are the numbers of classes, from 0. Pictures without one count for the \
      comparison of models only.
      """)
  var dataset: String

  @Option(help: "The classes of label maps, separated by commas, or @FILE with one a line.")
  var classes: String?

  @Option(help: "Those of the classes that training never saw, to be listed apart; as --classes.")
  var novel: String?

  @Option(help: "The classes listed beside --novel; by default all others.")
  var base: String?

  @Option(help: "Labels that count nowhere, separated by commas.")
  var ignore = CommaList<UInt16>([255])

  @Option(help: "Annotations of regions in COCO's panoptic format; they name the pictures.")
  var panoptic: String?

  @Option(help: "The folder of the annotations' mask pictures.")
  var panopticMasks: String?

  @Option(
    help: """
      How regions become features: boxes by RoIAlign, masks by mask pooling, crops by embedding \
      what is cut out of the picture.
      """)
  var regions = CommaList<RegionKind>(RegionKind.allCases)

  func validate() throws {
    guard classes != nil || panoptic != nil else {
      throw ValidationError("give the --classes of label maps, or regions with --panoptic")
    }
    if classes == nil, novel != nil || base != nil {
      throw ValidationError("--novel and --base need --classes")
    }
    if panopticMasks != nil, panoptic == nil {
      throw ValidationError("--panoptic-masks needs --panoptic")
    }
  }

  /// The pictures and what is known about them.
  func read() throws(DeclipError) -> EvaluationDataset {
    guard let panoptic else { return try EvaluationDataset(folder: dataset) }
    return try EvaluationDataset(
      folder: dataset, annotations: PanopticAnnotations(path: panoptic), masks: panopticMasks)
  }

  /// The names of the classes and groups of them; nil without classes.
  func classGroups() throws(DeclipError) -> ClassGroups? {
    guard let classes else { return nil }
    return try ClassGroups(
      names: ClassList.names(in: classes), novel: novel.map(ClassList.names),
      base: base.map(ClassList.names))
  }
}

/// The classes of label maps, and which of them are listed apart.
struct ClassGroups {
  /// The names, in the order of label numbers.
  let names: [String]
  /// Groups by name, numbers ascending: `all`, and `base` and `novel` where they are told apart.
  let groups: [(name: String, classes: [Int])]
  /// The novel classes.
  let novel: Set<Int>

  /// Throws `usage` for a name that is none of the classes.
  init(names: [String], novel: [String]?, base: [String]?) throws(DeclipError) {
    self.names = names
    var groups = [(name: "all", classes: Array(names.indices))]
    let novel = try novel.map { name throws(DeclipError) in try Self.numbers(of: name, names) }
    let base = try base.map { name throws(DeclipError) in try Self.numbers(of: name, names) }
    if let base = base ?? novel.map({ Set(names.indices).subtracting($0) }) {
      groups.append(("base", base.sorted()))
    }
    if let novel { groups.append(("novel", novel.sorted())) }
    self.groups = groups
    self.novel = novel ?? []
  }

  private static func numbers(
    of wanted: [String], _ names: [String]
  ) throws(DeclipError) -> Set<Int> {
    var numbers: Set<Int> = []
    for name in wanted {
      guard let number = names.firstIndex(of: name) else {
        throw DeclipError(.usage, "'\(name)' is none of the classes")
      }
      numbers.insert(number)
    }
    return numbers
  }
}
