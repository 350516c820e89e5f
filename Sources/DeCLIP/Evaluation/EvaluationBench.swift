import Model
import Quantization
import Runtime
import Vision

/// The encoders of all subjects for one pass.
struct EvaluationBench {
  private let subjects: [EvaluationSubject]
  private let encoders: [ImageEncoder]
  private let pass: EvaluationPass
  private let options: EvaluationOptions
  private let pool: WorkerPool

  init(
    _ subjects: [EvaluationSubject], _ pass: EvaluationPass, _ options: EvaluationOptions,
    _ pool: WorkerPool
  ) throws(DeclipError) {
    self.subjects = subjects
    self.pass = pass
    self.options = options
    self.pool = pool
    var encoders: [ImageEncoder] = []
    for subject in subjects {
      let (mode, output): (DenseMode, VisionOutput) =
        switch pass {
        case .dense(let mode): (mode, .dense)
        case .crops: (.vanilla, .image)
        }
      encoders.append(
        try ImageEncoder(
          subject.model, mode: mode, outputs: [output], engine: subject.engine, pool: pool))
    }
    self.encoders = encoders
  }

  /// What every subject does on a picture.
  func tallies(of picture: EvaluationPicture) throws(DeclipError) -> [EvaluationTally] {
    switch pass {
    case .dense: try denseTallies(of: picture)
    case .crops: try cropTallies(of: picture)
    }
  }

  private func denseTallies(
    of picture: EvaluationPicture
  ) throws(DeclipError) -> [EvaluationTally] {
    var tallies: [EvaluationTally] = []
    var first: (features: Features, map: SegmentationMap?)?
    for (subject, encoder) in zip(subjects, encoders) {
      var tally = EvaluationTally()
      let input = try options.layout.input(for: picture.image, subject.model)
      let features = try encoder.features(of: picture.image, input: input)
      var map: SegmentationMap?
      if let classes = subject.classes {
        // The scale does not change which class is the most probable.
        map = try features.segmentationMap(classes, options: .init(), threads: pool.threads)
        if let map, let truth = picture.truth {
          var segmentation = SegmentationTally()
          segmentation.add(
            map, truth: truth, classes: classes.names.count, ignoring: options.ignoredLabels)
          tally.segmentation = segmentation
        }
      }
      if let categories = subject.categories {
        tally.regions = regionTallies(of: picture, features, categories)
      }
      if let first {
        tally.fidelity = fidelity(features, map, to: first.features, first.map)
      } else {
        first = (features, map)
      }
      tallies.append(tally)
    }
    return tallies
  }

  private func regionTallies(
    of picture: EvaluationPicture, _ features: Features, _ categories: Vocabulary
  ) -> [RegionKind: RegionTally] {
    let map = DenseMap(
      rows: features.grid.rows, columns: features.grid.columns, width: categories.embeddingSize,
      values: features.outputs[.dense] ?? [], normalizing: !features.isAveraged)
    guard let map else { return [:] }
    let geometry = features.geometry
    var tallies: [RegionKind: RegionTally] = [:]
    func add(_ kind: RegionKind, _ region: EvaluationDataset.Region, _ feature: [Float]) {
      let ranking = ClassRanking(feature: feature, embeddings: categories.embeddings)
      tallies[kind, default: RegionTally()].add(
        class: region.category, place: ranking.place(of: region.category))
    }
    if options.regionKinds.contains(.boxes) {
      for region in picture.regions {
        add(.boxes, region, map.aligned(geometry.gridBox(region.box)))
      }
    }
    if let mask = picture.mask {
      let cells = geometry.cells(
        of: Set(picture.regions.map(\.segment)), in: mask.segments)
      for region in picture.regions {
        add(.masks, region, map.pooled(over: cells[region.segment] ?? []))
      }
    }
    return tallies
  }

  private func cropTallies(
    of picture: EvaluationPicture
  ) throws(DeclipError) -> [EvaluationTally] {
    var tallies: [EvaluationTally] = []
    for (subject, encoder) in zip(subjects, encoders) {
      var regions = RegionTally()
      if let categories = subject.categories {
        for region in picture.regions {
          let part = picture.image.cropped(to: cropBox(of: region, picture.image))
          let embedding = try encoder.embedding(ofRegion: part, size: subject.model.nativeSize)
          let ranking = ClassRanking(feature: embedding, embeddings: categories.embeddings)
          regions.add(class: region.category, place: ranking.place(of: region.category))
        }
      }
      var tally = EvaluationTally()
      tally.regions = [.crops: regions]
      tallies.append(tally)
    }
    return tallies
  }

  /// As in the released evaluation, a thing is shown with some of what is around it.
  private func cropBox(of region: EvaluationDataset.Region, _ image: Image) -> Box {
    region.isThing
      ? region.box.enlarged(by: 1.5, width: image.width, height: image.height) : region.box
  }

  private func fidelity(
    _ features: Features, _ map: SegmentationMap?, to first: Features,
    _ firstMap: SegmentationMap?
  ) -> EvaluationTally.Fidelity {
    var fidelity = EvaluationTally.Fidelity()
    if let map, let firstMap {
      fidelity.pixels = map.labels.count
      fidelity.equalPixels = zip(map.labels, firstMap.labels).count { $0 == $1 }
    }
    fidelity.content = features.content(against: first)
    return fidelity
  }
}
