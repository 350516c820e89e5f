extension ReportPage {
  /// What was tried, and what it reached.
  var ladderSection: String {
    guard !record.ladder.isEmpty else { return "" }
    let hasTime = record.ladder.contains { $0.relativeTime != nil }
    let rows = record.ladder.map { rung in
      [
        Markup.escaped(rung.name) + (rung.isChosen ? " <b>&larr; chosen</b>" : ""),
        Markup.fixed(rung.centredCosine, 5), Markup.fixed(rung.cosine, 5),
      ] + (hasTime ? [Markup.percent(rung.relativeTime)] : [])
    }
    return """
      <h2>What was tried</h2>
      <p class="note">In this order, on the \(record.heldOutPictures) held-out pictures that figures are measured \
      on, in the mode that loses most. A line with + adds to the best line before it. The chosen line loses \
      least in all that is measured and in all modes together, not in these two columns alone\(hasTime ? "; time is an estimate relative to the float model" : "").</p>
      \(Markup.table(
        ["method", ">centred cosine", ">cosine"] + (hasTime ? [">time"] : []), rows,
        classes: record.ladder.map { $0.isChosen ? "chosen" : nil }))
      """
  }

  /// A bar for every layer.
  var layerSection: String {
    guard !record.layers.isEmpty else { return "" }
    // The scale ends at a round number above the best layer.
    let best = record.layers.compactMap(\.signalToNoise).max() ?? 0
    let end = max(10, (best / 10).rounded(.up) * 10)
    let rows = record.layers.map { layer in row(layer, end) }
    return """
      <h2>Layer by layer</h2>
      <p class="note">The bar is the signal-to-noise ratio of the layer's output: 20 dB are 10 % of \
      error, 40 dB are 1 %. Longer is better; <span class="weak">orange</span> are the ten weakest. \
      <i>Clipped</i> is the share of input values beyond the range that integers cover, and \
      <i>outliers</i> is how much larger the largest channel of the input is than the median one: \
      such channels cost all others their precision. <i>Migration</i> moved them into the weights, with \
      a strength of 0 to 1.</p>
      <div class="layers">\(Markup.table(
        ["layer", "weights", "input", "range chosen by", ">clipped", ">outliers", "dB"], rows))</div>
      """
  }

  private func row(_ layer: CalibrationRecord.Layer, _ end: Double) -> [String] {
    let outliers = layer.input?.outlierChannels.first.map {
      "<span title=\"channel \($0.channel)\">\(Markup.short($0.ratio))&nbsp;&times;</span>"
    }
    var method = Markup.escaped(layer.method)
    if let migration = layer.migration {
      method += ", migration \(Markup.short(migration))"
    }
    guard let weightBits = layer.weightBits else {
      return [
        Markup.escaped(layer.name), "float", "float", "&ndash;", "&ndash;", outliers ?? "&ndash;",
        "<span class=\"float\">stays in float</span>",
      ]
    }
    return [
      Markup.escaped(layer.name), "\(weightBits) bit, \(Markup.escaped(layer.rounding))",
      layer.inputBits.map { "\($0) bit\(layer.isPerRow ? ", each row its own scale" : "")" }
        ?? "float", method,
      layer.input?.clip == nil ? "&ndash;" : Markup.percent(layer.input?.clippedShare),
      outliers ?? "&ndash;", bar(layer, end),
    ]
  }

  private func bar(_ layer: CalibrationRecord.Layer, _ end: Double) -> String {
    guard let ratio = layer.signalToNoise else { return "<span class=\"float\">exact</span>" }
    let share = Markup.fixed(100 * min(max(ratio / end, 0), 1), 1)
    return "<div class=\"bar\"><div class=\"\(isWeak(layer) ? "weak" : "good")\" "
      + "style=\"width:\(share)%\"></div></div><span class=\"db\">\(Markup.fixed(ratio, 1))</span>"
  }

  private func isWeak(_ layer: CalibrationRecord.Layer) -> Bool {
    let ratios = record.layers.compactMap(\.signalToNoise).sorted()
    guard ratios.count > 20, let ratio = layer.signalToNoise else { return false }
    return ratio <= ratios[9]
  }

  /// A drawing for every input that was observed; layers that read the same rows share one.
  var histogramSection: String {
    var groups: [(names: [String], layer: CalibrationRecord.Layer)] = []
    for layer in record.layers where layer.input?.histogram.isEmpty == false {
      if let last = groups.last, last.layer.input == layer.input {
        groups[groups.count - 1].names.append(layer.name)
      } else {
        groups.append(([layer.name], layer))
      }
    }
    guard !groups.isEmpty else { return "" }
    let drawings = groups.compactMap { group -> String? in
      guard let input = group.layer.input else { return nil }
      return "<figure class=\"histogram\">\(HistogramChart(input).markup)"
        + "<figcaption>\(caption(group.names))<br>\(rangeText(group.layer, input))</figcaption>"
        + "</figure>"
    }
    return """
      <h2>What layers read</h2>
      <p class="note">How often each value occurs in a layer's input, on a logarithmic scale. Between \
      the dashed lines lies the range that integers cover, on <span class="cut">red</span> what is \
      clipped to its ends; without lines every row of the input has a scale of its own.</p>
      <div class="histograms">\(drawings.joined(separator: "\n"))</div>
      """
  }

  /// `vision.block[3].attention.query, key, value` for layers of one block.
  private func caption(_ names: [String]) -> String {
    guard let first = names.first, let dot = first.lastIndex(of: ".") else {
      return Markup.escaped(names.joined(separator: ", "))
    }
    let prefix = first[...dot]
    let others = names.dropFirst().map {
      $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : $0
    }
    return Markup.escaped(([first] + others).joined(separator: ", "))
  }

  private func rangeText(
    _ layer: CalibrationRecord.Layer, _ input: CalibrationRecord.Distribution
  ) -> String {
    guard let clip = input.clip else {
      return layer.inputBits == nil ? "stays in float" : "each row its own scale"
    }
    return "\(Markup.short(clip.low)) to \(Markup.short(clip.high)), "
      + "\(Markup.percent(input.clippedShare)) clipped"
  }
}
