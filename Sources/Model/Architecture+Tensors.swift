/// A tensor that an architecture consists of.
public struct TensorSpecification: Hashable, Sendable {
  /// What the tensor is for.
  public let role: TensorRole
  /// Its extents, outermost first.
  public let shape: [Int]
}

extension Architecture {
  /// Every tensor of the model with its shape, in the order in which a model computes with them.
  public var tensors: [TensorSpecification] {
    var list = vision.tensors(embeddingSize: embeddingSize)
    if let text { list += text.tensors(embeddingSize: embeddingSize) }
    return list
  }

  /// The extents of every tensor, outermost first.
  public var shapes: [TensorRole: [Int]] {
    Dictionary(uniqueKeysWithValues: tensors.map { ($0.role, $0.shape) })
  }
}

extension VisionTower {
  fileprivate func tensors(embeddingSize: Int) -> [TensorSpecification] {
    let width = transformer.width
    var list = [
      TensorSpecification(
        role: .patchEmbedding(.weight), shape: [width, 3, patchSize, patchSize])
    ]
    if hasPatchBias { list.append(.init(role: .patchEmbedding(.bias), shape: [width])) }
    list.append(.init(role: .classToken, shape: [width]))
    list.append(.init(role: .positions(.vision), shape: [1 + nativeGrid.count, width]))
    if hasPreNorm { list += [.weight, .bias].map { .init(role: .preNorm($0), shape: [width]) } }
    list += transformer.tensors(of: .vision).filter { has($0.role) }
    list += head(of: .vision, width, embeddingSize, hasBias: hasProjectionBias)
    return list
  }

  /// Whether the tensor is there, where the last block was exported for one dense mode.
  private func has(_ role: TensorRole) -> Bool {
    guard let exportedMode, case .block(_, transformer.layers - 1, let layer, _) = role else {
      return true
    }
    return exportedMode.has(layer)
  }
}

extension TextTower {
  fileprivate func tensors(embeddingSize: Int) -> [TensorSpecification] {
    let width = transformer.width
    return [
      .init(role: .tokenEmbedding, shape: [vocabularySize, width]),
      .init(role: .positions(.text), shape: [contextLength, width]),
    ] + transformer.tensors(of: .text)
      + head(of: .text, width, embeddingSize, hasBias: hasProjectionBias)
  }
}

extension Transformer {
  fileprivate func tensors(of tower: Tower) -> [TensorSpecification] {
    (0..<layers).flatMap { index in
      BlockLayer.allCases.filter(has).flatMap { layer in
        parameters(of: layer).map { parameter in
          TensorSpecification(
            role: .block(tower, index: index, layer, parameter),
            shape: shape(of: layer, parameter))
        }
      }
    }
  }

  /// Whether blocks of this description have the layer at all.
  private func has(_ layer: BlockLayer) -> Bool {
    switch layer {
    case .attentionNorm, .hiddenNorm: hasSubLayerNorm
    case .gate: isGated
    default: true
    }
  }

  private func parameters(of layer: BlockLayer) -> [Parameter] {
    layer == .key && !hasKeyBias ? [.weight] : [.weight, .bias]
  }

  private func shape(of layer: BlockLayer, _ parameter: Parameter) -> [Int] {
    switch (layer, parameter) {
    case (.query, .weight), (.key, .weight), (.value, .weight), (.attentionOutput, .weight):
      [width, width]
    case (.gate, .weight), (.up, .weight): [hiddenSize, width]
    case (.down, .weight): [width, hiddenSize]
    case (.gate, .bias), (.up, .bias), (.hiddenNorm, _): [hiddenSize]
    default: [width]
    }
  }
}

private func head(
  of tower: Tower, _ width: Int, _ embeddingSize: Int, hasBias: Bool
) -> [TensorSpecification] {
  var list: [TensorSpecification] = [
    .init(role: .norm(tower, .weight), shape: [width]),
    .init(role: .norm(tower, .bias), shape: [width]),
    .init(role: .projection(tower, .weight), shape: [embeddingSize, width]),
  ]
  if hasBias { list.append(.init(role: .projection(tower, .bias), shape: [embeddingSize])) }
  return list
}
