import Model

extension Architecture {
  /// One line for people: family, size of both towers, native input.
  public var summary: String {
    let vision = vision
    let width = vision.transformer.width
    let native = "\(vision.nativeGrid.rows * vision.patchSize)"
    let text = text.map { "text \($0.transformer.width)x\($0.transformer.layers)" } ?? "no text"
    return "\(family.rawValue), vision \(width)x\(vision.transformer.layers) "
      + "patch \(vision.patchSize) at \(native) px, \(text), embedding \(embeddingSize)"
  }
}
