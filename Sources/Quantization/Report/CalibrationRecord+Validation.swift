import Model

extension CalibrationRecord {
  /// The most layers, rungs or objectives of a record: what a report can show.
  private static let mostEntries = 1 << 14
  /// The most bins of a histogram, and the most channels listed.
  private static let mostBins = 4096
  /// The longest name in bytes of UTF-8.
  private static let longestText = 1024

  /// Throws `badData` naming the key whose value is out of range, so that what is shown of a
  /// record that came with a file needs no further checks.
  public func validate() throws(DeclipError) {
    func require(
      _ holds: Bool, _ key: String, _ found: some Any, _ expected: String
    ) throws(DeclipError) {
      guard holds else {
        throw DeclipError(
          .badData, "key '\(key)' is \(found)", place: "section 'calibration'",
          expected: expected)
      }
    }
    func requireText(_ text: String, _ key: String) throws(DeclipError) {
      try require(
        text.utf8.count <= Self.longestText, key, "\(text.utf8.count) bytes long",
        "at most \(Self.longestText)")
    }
    for (key, count) in [
      ("calibrationPictures", calibrationPictures), ("heldOutPictures", heldOutPictures),
      ("skippedPictures", skippedPictures),
    ] { try require(count >= 0, key, count, "0 or more") }
    for (key, count) in [
      ("objectives", objectives.count), ("ladder", ladder.count), ("layers", layers.count),
      ("options", options.count),
    ] {
      try require(
        count <= Self.mostEntries, key, "of \(count) entries", "at most \(Self.mostEntries)")
    }
    if let arithmetic { try requireText(arithmetic, "arithmetic") }
    for (key, value) in options {
      try requireText(key, "options")
      try requireText(value, "options")
    }
    for (index, objective) in objectives.enumerated() {
      try requireText(objective.mode, "objectives.\(index).mode")
      try require(
        objective.height > 0 && objective.width > 0, "objectives.\(index).height",
        "\(objective.height) by \(objective.width)", "a size in pixels")
    }
    for (index, rung) in ladder.enumerated() { try requireText(rung.name, "ladder.\(index).name") }
    for (index, layer) in layers.enumerated() {
      let key = "layers.\(index)"
      try requireText(layer.name, key + ".name")
      try requireText(layer.method, key + ".method")
      try requireText(layer.rounding, key + ".rounding")
      guard let input = layer.input else { continue }
      try require(
        input.minimum <= input.maximum, key + ".input.minimum", input.minimum,
        "no more than the maximum \(input.maximum)")
      if let clip = input.clip {
        try require(
          clip.low < clip.high, key + ".input.clip", "\(clip.low) to \(clip.high)", "a range")
      }
      try require(
        (0...1).contains(input.clippedShare), key + ".input.clippedShare", input.clippedShare,
        "0 to 1")
      try require(
        max(input.histogram.count, input.outlierChannels.count) <= Self.mostBins,
        key + ".input.histogram", "too long", "at most \(Self.mostBins) entries")
      let isCount = input.histogram.allSatisfy { (0...1 << 52).contains($0) }
      try require(isCount, key + ".input.histogram", "not of counts", "0 to 2^52")
    }
  }
}
