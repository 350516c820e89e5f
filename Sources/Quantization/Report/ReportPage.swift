/// A calibration record as a web page in one file: no network, no scripts.
public struct ReportPage: Sendable {
  /// The quantised file's name.
  public var title: String
  /// Facts about the files, name and value.
  public var facts: [(name: String, value: String)]
  /// The record, validated.
  public var record: CalibrationRecord
  /// Pictures with label maps of both models; may be empty.
  public var pictures: [ReportPicture]
  /// The dense mode and input that pictures were computed with.
  public var pictureSettings: String

  /// Makes a page.
  public init(
    title: String, facts: [(name: String, value: String)], record: CalibrationRecord,
    pictures: [ReportPicture] = [], pictureSettings: String = ""
  ) {
    self.title = title
    self.facts = facts
    self.record = record
    self.pictures = pictures
    self.pictureSettings = pictureSettings
  }

  /// The page's HTML.
  public var html: String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(Markup.escaped(title)) - quantisation report</title>
    <style>\(Self.style)</style>
    </head>
    <body>
    <h1>\(Markup.escaped(title))</h1>
    \(verdict)
    \(cards)
    \(objectiveTable)
    \(pictureSection)
    \(ladderSection)
    \(layerSection)
    \(histogramSection)
    \(factSection)
    </body>
    </html>

    """
  }
}

// MARK: - Summary

extension ReportPage {
  /// The result in a sentence.
  private var verdict: String {
    let quantized = record.layers.count { $0.weightBits != nil && $0.inputBits != nil }
    var text =
      "<p class=\"lead\">\(quantized) of \(record.layers.count) linear layers compute in "
    text += "integers of 7 or 8 bits"
    if let worst = record.objectives.min(by: { $0.cosine < $1.cosine }) {
      text +=
        "; on \(record.heldOutPictures) pictures that scales were not fitted on, dense features "
      text += "keep a cosine of <b>\(Markup.fixed(worst.cosine, 4))</b> with the float model's"
      if record.objectives.count > 1 { text += " in the worst of the modes measured" }
      if let agreement = record.objectives.compactMap(\.labelAgreement).min() {
        text += ", and <b>\(Markup.percent(agreement))</b> of patches keep their class"
      }
    }
    return text + ".</p>"
  }

  /// The main figures of the first objective.
  private var cards: String {
    guard let objective = record.objectives.first else { return "" }
    func card(_ value: String, _ name: String, _ meaning: String) -> String {
      "<div class=\"card\"><div class=\"value\">\(value)</div><div class=\"name\">\(name)</div>"
        + "<div class=\"meaning\">\(meaning)</div></div>\n"
    }
    var cards = card(
      Markup.fixed(objective.centredCosine, 4), "centred cosine",
      "of dense features after the picture's mean was taken away: what tells patches apart. 1 is "
        + "equal.")
    cards += card(
      Markup.fixed(objective.cosine, 4), "cosine", "of dense features as they are. 1 is equal.")
    cards += card(
      Markup.fixed(objective.firstPercentile, 4), "1st percentile",
      "the cosine that the worst patch in a hundred has.")
    cards += card(
      Markup.fixed(objective.shift, 3), "mean shift",
      "how far the mean feature moved, in units of the features' spread. 0 is best.")
    if let context = objective.contextError {
      cards += card(
        Markup.fixed(context, 3), "context error",
        "mean distance between rows of the two token correlation matrices. 0 is best.")
    }
    if let agreement = objective.labelAgreement {
      cards += card(
        Markup.percent(agreement), "same label", "patches whose best class did not change.")
    }
    return "<p class=\"note\">Mode \(Markup.escaped(objective.mode)) at \(objective.width) &times; "
      + "\(objective.height) pixels, quantised against float:</p>\n"
      + "<div class=\"cards\">\(cards)</div>"
  }

  private var objectiveTable: String {
    guard record.objectives.count > 1 else { return "" }
    let rows = record.objectives.map { objective in
      [
        Markup.escaped(objective.mode), "\(objective.width) &times; \(objective.height)",
        Markup.fixed(objective.centredCosine, 5), Markup.fixed(objective.cosine, 5),
        Markup.fixed(objective.firstPercentile, 5), Markup.fixed(objective.shift, 3),
        Markup.fixed(objective.contextError, 3), Markup.percent(objective.labelAgreement),
      ]
    }
    return "<h2>Every mode measured</h2>\n"
      + Markup.table(
        [
          "mode", ">input", ">centred cosine", ">cosine", ">1st percentile", ">mean shift",
          ">context error", ">same label",
        ], rows)
  }

  private var factSection: String {
    var rows = facts.map { [Markup.escaped($0.name), Markup.escaped($0.value)] }
    rows.append(["pictures that scales were fitted on", "\(record.calibrationPictures)"])
    rows.append(["pictures that figures were measured on", "\(record.heldOutPictures)"])
    rows.append(["pictures that could not be read", "\(record.skippedPictures)"])
    if let arithmetic = record.arithmetic {
      rows.append(["fitted with", Markup.escaped(arithmetic)])
    }
    rows += record.options.sorted { $0.key < $1.key }.map {
      [Markup.escaped("--" + $0.key), Markup.escaped($0.value)]
    }
    return "<h2>How it was made</h2>\n" + Markup.table(["", ""], rows)
  }
}

// MARK: - Pictures

extension ReportPage {
  private var pictureSection: String {
    guard !pictures.isEmpty else { return "" }
    var text = "<h2>Labels before and after</h2>\n<p class=\"note\">"
    text +=
      "\(Markup.escaped(pictureSettings)). In the last column, pixels that changed their label "
    text +=
      "are red and blocks around them yellow to orange, the more of them the darker; most lie "
    text += "where two regions meet.</p>\n"
    for picture in pictures { text += figure(picture) }
    return text
  }

  private func figure(_ picture: ReportPicture) -> String {
    let parts = [
      (picture.picture, "picture"), (picture.float, "float"), (picture.quantized, "quantised"),
      (picture.changes, "changed labels"),
    ]
    let images = parts.map { png, name in
      "<figure>\(Markup.image(png: png, title: "\(picture.name): \(name)"))"
        + "<figcaption>\(name)</figcaption></figure>"
    }
    let classes = picture.classes.map {
      "<span class=\"class\"><i style=\"background:\(Markup.escaped($0.colour))\"></i>"
        + "\(Markup.escaped($0.name))</span>"
    }
    return "<div class=\"picture\"><h3>\(Markup.escaped(picture.name)) &ndash; same label "
      + "\(Markup.percent(picture.labelAgreement)), centred cosine "
      + "\(Markup.fixed(picture.content.centredCosine, 4))</h3>\n"
      + "<div class=\"row\">\(images.joined(separator: "\n"))</div>\n"
      + "<p class=\"classes\">\(classes.joined())</p></div>\n"
  }
}
