import Model
import ONNX

/// Turns ONNX graphs of CLIP-like models into checkpoints, by structure and not by names.
enum ONNXImporter {
  /// The graph at `path` and the files it consists of.
  static func source(
    path: String, options: ImportOptions
  ) throws(DeclipError) -> (model: ONNXModel, source: CheckpointSource) {
    let model = try ONNXFile.read(path: path, allowsLinks: options.allowsExternalLinks)
    let files = model.files.map {
      CheckpointSource.File(name: Path.name(of: $0.name), bytes: $0.bytes)
    }
    return (
      model,
      CheckpointSource(
        path: path, format: "onnx", files: files, tensors: [], metadata: [:],
        budget: model.budget)
    )
  }

  /// A graph as a checkpoint without tokenizer, and the graph to compare it with.
  static func read(
    _ model: ONNXModel, options: ImportOptions
  ) throws(DeclipError) -> (checkpoint: Checkpoint, reference: ReferenceGraph) {
    try UnreadGraph.check(model)
    let inputs = try TraceInputs(model)
    guard let pixels = inputs.pixels else {
      throw DeclipError(
        .badData, "the graph has no input of pixels", expected: "a vision tower",
        remedy: "export the vision tower, or both towers in one graph")
    }
    let graph = try TracedGraph(model, inputs: inputs.values(seed: 1))
    let towers = TowerRecognition(graph: graph, layers: try GraphLayers(graph))
    let (vision, patches) = try towers.vision(pixels: pixels.name)
    var text: (tower: RecognisedTower, table: String)?
    if let tokens = inputs.tokens, !options.visionOnly { text = try towers.text(ids: tokens.name) }
    var assembly = Assembly(graph: graph, options: options)
    var checkpoint = try assembly.checkpoint(vision, patches, text)
    if !options.visionOnly, let name = inputs.strangeIds {
      checkpoint.warnings.append(leftOutText("input \(quoted(name, limit: 60))"))
    }
    let reference = ReferenceGraph(
      graph: graph, inputs: inputs, visionOutput: vision.output, textOutput: text?.tower.output)
    return (checkpoint, reference)
  }
}

/// Puts recognised towers together into an architecture and its tensors.
private struct Assembly {
  let graph: TracedGraph
  let options: ImportOptions
  var notes = ImportNotes()

  mutating func checkpoint(
    _ vision: RecognisedTower, _ patches: RecognisedPatches,
    _ text: (tower: RecognisedTower, table: String)?
  ) throws(DeclipError) -> Checkpoint {
    let attention = vision.blocks[0].attention
    let isEVA = attention.rotary != nil || attention.innerNorm != nil
    let mode = vision.blocks.last?.feedForward == nil ? vision.blocks.last?.attention.mode : nil
    let architecture = Architecture(
      family: isEVA ? .eva02 : .clip, embeddingSize: vision.projection.outputs,
      logitScale: logitScale(text != nil),
      vision: VisionTower(
        transformer: try transformer(vision, .vision), patchSize: patches.patchSize,
        nativeGrid: patches.grid,
        hasPatchBias: patches.convolution.inputs.count > 2, hasPreNorm: vision.preNorm != nil,
        hasProjectionBias: vision.projection.bias != nil, rotary: attention.rotary,
        exportedMode: mode),
      text: try text.map { text throws(DeclipError) in try textTower(text.tower, text.table) },
      preprocessing: .clip)
    try architecture.validate()
    guard DenseMode.modes(of: architecture.family).contains(mode ?? .vanilla) else {
      throw DeclipError(
        .badData, "the last block aggregates as mode \(mode?.rawValue ?? "")",
        expected: "a mode of \(architecture.family.rawValue) towers")
    }
    var tensors = ONNXTensors(graph)
    try add(vision, patches, architecture, to: &tensors)
    if let text { try add(text.tower, text.table, architecture, to: &tensors) }
    notes.provenance["graph.producer"] = graph.model.producer
    notes.provenance["graph.opset"] = "\(graph.model.opset)"
    if let mode {
      notes.warnings.append(
        "the graph was exported in dense mode \(mode.rawValue); modes that need more of its last "
          + "block than that are not available")
    }
    return Checkpoint(
      architecture: architecture, tensors: tensors.tensors, provenance: notes.provenance,
      warnings: notes.warnings)
  }

  private func transformer(
    _ tower: RecognisedTower, _ kind: Tower
  ) throws(DeclipError) -> Transformer {
    let first = tower.blocks[0]
    guard let feedForward = first.feedForward ?? tower.blocks.compactMap(\.feedForward).first else {
      throw DeclipError(
        .badData, "its only block was exported without a feed-forward network",
        place: "\(kind.rawValue) tower", expected: "two blocks or more")
    }
    let transformer = Transformer(
      width: tower.width, layers: tower.blocks.count, heads: first.attention.heads,
      hiddenSize: feedForward.up.outputs, activation: feedForward.activation,
      layerNormEpsilon: first.attention.norm.epsilon, isGated: feedForward.gate != nil,
      hasSubLayerNorm: first.attention.innerNorm != nil,
      hasKeyBias: tower.blocks.contains { $0.attention.projections[.key]?.layer.bias != nil })
    for (index, block) in tower.blocks.enumerated() {
      try check(block, transformer, first.attention, "\(kind.rawValue) block \(index)", kind)
    }
    return transformer
  }

  /// Throws where a block differs from the first in more than its weights.
  private func check(
    _ block: RecognisedBlock, _ transformer: Transformer, _ first: RecognisedBlock.Attention,
    _ place: String, _ kind: Tower
  ) throws(DeclipError) {
    let attention = block.attention
    let norms = [attention.norm, attention.innerNorm, block.feedForward?.norm]
    let isDecoupled = block.feedForward == nil
    let agrees =
      attention.heads == transformer.heads
      && (attention.innerNorm != nil) == transformer.hasSubLayerNorm
      && attention.isCausal == (kind == .text)
      && (isDecoupled
        ? kind == .vision : attention.mode == .vanilla && attention.rotary == first.rotary)
      && norms.compactMap { $0?.epsilon }.allSatisfy { $0 == transformer.layerNormEpsilon }
    var feedForwardAgrees = true
    if let feedForward = block.feedForward {
      feedForwardAgrees =
        feedForward.activation == transformer.activation
        && (feedForward.gate != nil) == transformer.isGated
        && feedForward.up.outputs == transformer.hiddenSize
        && (feedForward.innerNorm != nil) == transformer.hasSubLayerNorm
    }
    guard agrees, feedForwardAgrees else {
      throw DeclipError(
        .badData,
        "has \(attention.heads) heads, mode \(attention.mode.rawValue)"
          + "\(attention.isCausal ? ", a causal mask" : ""), epsilon \(attention.norm.epsilon) and "
          + "activation \(block.feedForward?.activation.rawValue ?? "none")",
        place: place,
        expected: "what the first block has (\(transformer.heads) heads, epsilon "
          + "\(transformer.layerNormEpsilon), \(transformer.activation.rawValue))"
          + (kind == .text ? " and a causal mask" : ""))
    }
  }

  private func textTower(
    _ tower: RecognisedTower, _ table: String
  ) throws(DeclipError) -> TextTower {
    guard let rows = graph.shapes[table]?.first else {
      throw DeclipError(.internal, "has no token table", place: "text tower")
    }
    return TextTower(
      transformer: try transformer(tower, .text), contextLength: tower.tokens, vocabularySize: rows,
      hasProjectionBias: tower.projection.bias != nil, pooledToken: pooledToken())
  }

  /// The id that an Equal compares token ids with, where texts are pooled at its first place.
  private func pooledToken() -> Int? {
    for node in graph.nodes where node.operation == "ArgMax" {
      var open = [node.inputs[0]]
      for _ in 0..<8 {
        guard let value = open.popLast(), let producer = graph.producer(of: value) else { break }
        if producer.operation == "Equal", producer.inputs.count == 2,
          let id = producer.inputs.compactMap(graph.scalar).first
        {
          return Int(exactly: id)
        }
        open = producer.inputs.filter { !$0.isEmpty && !graph.isConstant($0) }
      }
    }
    return nil
  }

  /// The factor between cosines and logits where the graph computes it or logits, else 100.
  private mutating func logitScale(_ hasText: Bool) -> Float {
    guard hasText else { return 100 }
    for name in graph.outputs.keys.sorted() {
      // The scale itself, logits, or the product of scaled embeddings.
      if let scale = graph.scalar(name), scale > 0 { return noted(scale, name) }
      guard let node = graph.producer(of: name) else { continue }
      let factors = node.operation == "MatMul" ? node.inputs.compactMap(graph.producer) : [node]
      for factor in factors {
        if let scale = self.factor(factor) { return noted(scale, factor.place) }
      }
    }
    notes.warnings.append(
      "the graph computes no logits; assumed a logit scale of 100, that of released models")
    return 100
  }

  private mutating func noted(_ scale: Float, _ place: String) -> Float {
    notes.provenance["logit-scale"] = "\(scale) (\(place))"
    return scale
  }

  private func factor(_ node: Node) -> Float? {
    guard node.operation == "Mul" else { return nil }
    for input in node.inputs { if let scale = graph.scalar(input), scale > 0 { return scale } }
    return nil
  }

  // MARK: Tensors

  private func add(
    _ tower: RecognisedTower, _ patches: RecognisedPatches, _ architecture: Architecture,
    to tensors: inout ONNXTensors
  ) throws(DeclipError) {
    let (width, patch) = (tower.width, patches.patchSize)
    try tensors.add(
      patches.convolution.inputs[1], shape: [width, 3, patch, patch],
      as: .patchEmbedding(.weight))
    if patches.convolution.inputs.count > 2 {
      try tensors.add(patches.convolution.inputs[2], shape: [width], as: .patchEmbedding(.bias))
    }
    try tensors.add(patches.classToken, shape: [width], as: .classToken)
    if let norm = tower.preNorm { try tensors.add(norm) { .preNorm($0) } }
    try add(tower, .vision, architecture, to: &tensors)
  }

  private func add(
    _ tower: RecognisedTower, _ table: String, _ architecture: Architecture,
    to tensors: inout ONNXTensors
  ) throws(DeclipError) {
    let rows = architecture.text?.vocabularySize ?? 0
    try tensors.add(table, shape: [rows, tower.width], as: .tokenEmbedding)
    try add(tower, .text, architecture, to: &tensors)
  }

  private func add(
    _ tower: RecognisedTower, _ kind: Tower, _ architecture: Architecture,
    to tensors: inout ONNXTensors
  ) throws(DeclipError) {
    try tensors.add(
      tower.positions, shape: [tower.tokens, tower.width], as: .positions(kind))
    let hasKeyBias =
      (kind == .vision ? architecture.vision.transformer : architecture.text?.transformer)?
      .hasKeyBias ?? true
    for (index, block) in tower.blocks.enumerated() {
      try add(
        block, tower: kind, index, hasKeyBias: hasKeyBias, family: architecture.family,
        to: &tensors)
    }
    try tensors.add(tower.norm) { .norm(kind, $0) }
    try tensors.add(tower.projection, needsBias: false) { .projection(kind, $0) }
  }

  private func add(
    _ block: RecognisedBlock, tower: Tower, _ index: Int, hasKeyBias: Bool, family: Family,
    to tensors: inout ONNXTensors
  ) throws(DeclipError) {
    func role(_ layer: BlockLayer) -> (Parameter) -> TensorRole {
      { .block(tower, index: index, layer, $0) }
    }
    let attention = block.attention
    try tensors.add(attention.norm, role(.norm1))
    let factors = factors(attention, family: family, width: attention.output.outputs)
    for (layer, source) in attention.projections.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      try tensors.add(
        source.layer, columns: source.columns, factor: factors[layer] ?? 1,
        needsBias: layer != .key || hasKeyBias, role(layer))
    }
    if let norm = attention.innerNorm { try tensors.add(norm, role(.attentionNorm)) }
    try tensors.add(attention.output, role(.attentionOutput))
    guard let feedForward = block.feedForward else { return }
    try tensors.add(feedForward.norm, role(.norm2))
    if let gate = feedForward.gate { try tensors.add(gate, role(.gate)) }
    try tensors.add(feedForward.up, role(.up))
    if let norm = feedForward.innerNorm { try tensors.add(norm, role(.hiddenNorm)) }
    try tensors.add(feedForward.down, role(.down))
  }

  /// What projections are multiplied by so that the graph's scale becomes the engine's: an
  /// exporter may have folded it into the queries' weights.
  private func factors(
    _ attention: RecognisedBlock.Attention, family: Family, width: Int
  ) -> [BlockLayer: Float] {
    let root = 1 / Float(width / attention.heads).squareRoot()
    let usual = attention.mode != .vanilla && family == .eva02 ? 1 : root
    let ratio = attention.scale / usual
    guard abs(ratio - 1) > 1e-3 else { return [:] }
    if attention.mode == .vanilla { return [.query: ratio] }
    // Products of a projection with itself.
    return [.query: ratio.squareRoot(), .key: ratio.squareRoot()]
  }
}
