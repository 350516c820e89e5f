import DeCLIP
import Quantization

/// An evaluation's result as JSON; what does not exist is absent.
struct EvaluationSummary: Encodable {
  struct Subject: Encodable {
    let model: String
    let engine: String
  }

  /// One subject in one mode, or on crops.
  struct Outcome: Encodable {
    /// The subject's place in `subjects`.
    let subject: Int
    let segmentation: Segmentation?
    let regions: [String: Regions]?
    let comparison: Comparison?
  }

  struct Segmentation: Encodable {
    struct Class: Encodable {
      let name: String
      let label: Int
      let pixels: Int
      let intersectionOverUnion: Double?
    }
    /// Means by group: all, base, novel.
    let meanIntersectionOverUnion: [String: Double]
    let pixelAccuracy: Double?
    let classes: [Class]
  }

  /// Mean accuracy of classes.
  struct Regions: Encodable {
    struct Class: Encodable {
      let name: String
      let isThing: Bool
      let top1: Double?
      let top5: Double?
    }
    let regions: Int
    let thingsTop1: Double?
    let thingsTop5: Double?
    let stuffTop1: Double?
    let stuffTop5: Double?
    let classes: [Class]
  }

  /// Against the first subject.
  struct Comparison: Encodable {
    let labelAgreement: Double?
    let content: ContentError?
  }

  struct Pass: Encodable {
    let mode: String
    let pictures: Int
    let outcomes: [Outcome]
  }

  let dataset: String
  let pictures: Int
  let failedPictures: Int
  let subjects: [Subject]
  let passes: [Pass]
}

extension EvaluationReport {
  /// The result for `--json`.
  var summary: EvaluationSummary {
    EvaluationSummary(
      dataset: folder, pictures: dataset.pictures.count, failedPictures: result.failedPictures,
      subjects: subjects.map { .init(model: $0.name, engine: $0.engine.rawValue) },
      passes: result.passes.map { pass in
        .init(
          mode: pass.pass.name, pictures: pass.pictures,
          outcomes: pass.tallies.enumerated().map { index, tally in
            .init(
              subject: index, segmentation: segmentation(tally), regions: regions(tally),
              comparison: tally.fidelity.map {
                .init(labelAgreement: $0.labelAgreement, content: $0.content?.result)
              })
          })
      })
  }

  private func segmentation(_ tally: EvaluationTally) -> EvaluationSummary.Segmentation? {
    guard let groups, let segmentation = tally.segmentation else { return nil }
    var means: [String: Double] = [:]
    for (name, classes) in groups.groups {
      means[name] = segmentation.meanIntersectionOverUnion(of: classes)
    }
    return .init(
      meanIntersectionOverUnion: means, pixelAccuracy: segmentation.pixelAccuracy,
      classes: segmentation.presentClasses.map { index in
        .init(
          name: groups.names[index], label: index, pixels: segmentation.pixels(of: index),
          intersectionOverUnion: segmentation.intersectionOverUnion(of: index))
      })
  }

  private func regions(_ tally: EvaluationTally) -> [String: EvaluationSummary.Regions]? {
    guard !tally.regions.isEmpty else { return nil }
    let categories = dataset.categories
    func classes(isThing: Bool) -> [Int] {
      categories.indices.filter { categories[$0].isThing == isThing }
    }
    var result: [String: EvaluationSummary.Regions] = [:]
    for (kind, regions) in tally.regions {
      func mean(_ isThing: Bool, _ withinFive: Bool) -> Double? {
        regions.meanAccuracy(of: classes(isThing: isThing), withinFive: withinFive)
      }
      result[kind.rawValue] = .init(
        regions: regions.regions, thingsTop1: mean(true, false), thingsTop5: mean(true, true),
        stuffTop1: mean(false, false), stuffTop5: mean(false, true),
        classes: regions.presentClasses.map { index in
          .init(
            name: categories[index].name, isThing: categories[index].isThing,
            top1: regions.accuracy(of: index),
            top5: regions.accuracy(of: index, withinFive: true))
        })
    }
    return result
  }
}
