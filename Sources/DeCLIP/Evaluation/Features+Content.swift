import Quantization

extension Features {
  /// How near dense features come to those of a reference, on patches that show the picture; nil
  /// where the two have features of different extents.
  func content(against reference: Features) -> ContentErrorMeter? {
    let (own, other) = (shownRows, reference.shownRows)
    guard geometry == reference.geometry, own.count == other.count, !own.isEmpty else {
      return nil
    }
    var meter = ContentErrorMeter()
    meter.add(
      float: other, quantized: own,
      width: own.count / (geometry.contentRows * geometry.contentColumns))
    return meter
  }

  /// The dense features of the patches that show the picture; what padding holds is nobody's
  /// business.
  private var shownRows: [Float] {
    let values = outputs[.dense] ?? []
    let width = values.count / max(1, grid.count)
    return (0..<geometry.contentRows).flatMap { row in
      let start = row * geometry.gridColumns * width
      return values[start..<start + geometry.contentColumns * width]
    }
  }
}
