import DeCLIP
import Terminal

/// An evaluation's result as tables for people.
struct EvaluationReport {
  let result: EvaluationResult
  let subjects: [EvaluationSubject]
  let dataset: EvaluationDataset
  let folder: String
  /// The classes of label maps; nil without.
  let groups: ClassGroups?

  /// All tables, the summary last, where a terminal shows it.
  var text: String {
    let dense = result.passes.filter { $0.pass != .crops }
    let parts =
      [heading] + dense.compactMap(classTable) + dense.compactMap(segmentationTable)
      + [regionTable].compactMap(\.self) + dense.compactMap(fidelityTable)
    return parts.joined(separator: "\n\n")
  }

  private var heading: String {
    var text = "\(folder): \(count(dataset.pictures.count, "picture"))"
    if let groups {
      let labelled = dataset.pictures.count { $0.labels != nil }
      text += ", \(labelled) with label maps of \(count(groups.names.count, "class", "classes"))"
    }
    if result.failedPictures > 0 { text += "; \(result.failedPictures) could not be evaluated" }
    for (index, subject) in subjects.enumerated() {
      text += "\n\(index + 1): \(subject.name), \(subject.engine.rawValue)"
    }
    return text
  }

  /// Intersection over union of every class that truly occurs.
  private func classTable(_ pass: EvaluationResult.Pass) -> String? {
    guard let groups, let first = pass.tallies.first?.segmentation else { return nil }
    let present = first.presentClasses
    guard !present.isEmpty else { return nil }
    let total = Double(present.reduce(0) { $0 + first.pixels(of: $1) })
    var columns: [(String, Table.Alignment)] = [("class", .left), ("pixels", .right)]
    for index in subjects.indices { columns.append(("\(index + 1)", .right)) }
    if !groups.novel.isEmpty { columns.append(("", .left)) }
    var table = Table(columns)
    for index in present {
      let values = pass.tallies.map { points($0.segmentation?.intersectionOverUnion(of: index)) }
      table.add(
        [groups.names[index], Format.percent(Double(first.pixels(of: index)) / total)] + values
          + (groups.novel.contains(index) ? ["novel"] : []))
    }
    return "mode \(pass.pass.name): intersection over union of each class in per cent\n"
      + table.text
  }

  /// Means over groups of classes.
  private func segmentationTable(_ pass: EvaluationResult.Pass) -> String? {
    guard let groups, pass.tallies.contains(where: { $0.segmentation != nil }) else { return nil }
    var table = Table(
      subjectColumns + groups.groups.map { ($0.name, .right) } + [("pixels", .right)])
    for (index, tally) in pass.tallies.enumerated() {
      let means = groups.groups.map {
        points(tally.segmentation?.meanIntersectionOverUnion(of: $0.classes))
      }
      table.add(cells(index) + means + [points(tally.segmentation?.pixelAccuracy)])
    }
    return "mode \(pass.pass.name): mean intersection over union, and pixels labelled right, in "
      + "per cent\n" + table.text
  }

  /// How near subjects come to the first.
  private func fidelityTable(_ pass: EvaluationResult.Pass) -> String? {
    guard subjects.count > 1 else { return nil }
    var table = Table(
      subjectColumns + [
        ("same label", .right), ("cosine", .right), ("1st percentile", .right),
        ("centred", .right), ("shift", .right),
      ])
    for (index, tally) in pass.tallies.enumerated().dropFirst() {
      let content = tally.fidelity?.content?.result
      func digits(_ value: Double?) -> String { value.map { Format.fixed($0, 4) } ?? "-" }
      table.add(
        cells(index) + [
          tally.fidelity?.labelAgreement.map { Format.fixed(100 * $0, 2) + " %" } ?? "-",
          digits(content?.cosine), digits(content?.firstPercentile),
          digits(content?.centredCosine), content.map { Format.fixed($0.shift, 3) } ?? "-",
        ])
    }
    return "mode \(pass.pass.name): how near dense features and labels come to those of 1\n"
      + table.text
  }

  /// Mean accuracy of classes of things and of stuff.
  private var regionTable: String? {
    guard !dataset.categories.isEmpty else { return nil }
    let groups = [true, false].map { isThing in
      dataset.categories.indices.filter { dataset.categories[$0].isThing == isThing }
    }
    var table = Table(
      subjectColumns + [
        ("regions by", .left), ("mode", .left), ("things top 1", .right), ("top 5", .right),
        ("stuff top 1", .right), ("top 5", .right),
      ])
    for kind in RegionKind.allCases {
      for pass in result.passes {
        for (index, tally) in pass.tallies.enumerated() {
          guard let regions = tally.regions[kind], regions.regions > 0 else { continue }
          let means = groups.flatMap { classes in
            [false, true].map {
              points(regions.meanAccuracy(of: classes, withinFive: $0))
            }
          }
          let mode = pass.pass == .crops ? "" : pass.pass.name
          table.add(cells(index) + [kind.rawValue, mode] + means)
        }
      }
    }
    return "regions: \(regionCounts); mean accuracy of classes in per cent\n" + table.text
  }

  private var regionCounts: String {
    let regions = dataset.pictures.flatMap { $0.regions?.regions ?? [] }
    var parts = ["things", "stuff"].map { name in
      let own = regions.filter { $0.isThing == (name == "things") }
      return
        "\(own.count) of \(count(Set(own.map(\.category)).count, "class", "classes")) of \(name)"
    }
    if dataset.crowdRegions > 0 { parts.append("\(dataset.crowdRegions) crowds left out") }
    if dataset.smallRegions > 0 { parts.append("\(dataset.smallRegions) tiny boxes left out") }
    return parts.joined(separator: ", ")
  }

  private var subjectColumns: [(String, Table.Alignment)] {
    [("", .right), ("model", .left), ("engine", .left)]
  }

  private func cells(_ index: Int) -> [String] {
    let name = subjects[index].name.split(separator: "/").last.map(String.init)
    return ["\(index + 1)", name ?? subjects[index].name, subjects[index].engine.rawValue]
  }

  private func points(_ share: Double?) -> String {
    share.map { Format.fixed(100 * $0, 1) } ?? "-"
  }

  private func count(_ count: Int, _ one: String, _ many: String? = nil) -> String {
    "\(count) \(count == 1 ? one : many ?? one + "s")"
  }
}
