import Files
import Model

/// Everything about a file that is known before its tensors are encoded.
struct WritingPlan: Sendable {
  /// A tensor and how it will be stored.
  struct Item: Sendable {
    let name: String
    let tensor: Tensor
    let stored: DataType
    /// What happens to frames before they are compressed.
    let transform: TensorEntry.Transform
    let isExtra: Bool

    /// The elements of one frame.
    var frameElements: Int { Layout.frameLength / stored.byteWidth }
    var frameCount: Int { (tensor.elementCount + frameElements - 1) / frameElements }

    /// The source bytes of frame `index`.
    func slice(_ index: Int) -> ByteView? {
      let start = index * frameElements
      let count = min(frameElements, tensor.elementCount - start)
      let width = tensor.dataType.byteWidth
      return tensor.bytes.slice(offset: UInt64(start * width), length: UInt64(count * width))
    }
  }

  let items: [Item]
  let options: ContainerOptions
  /// The sections before `tensors`, with their content.
  let metadata: [(section: Section, content: [UInt8])]
  /// Where section `tensors` starts and how long it is.
  let indexOffset: UInt64
  let indexLength: UInt64

  init(
    _ checkpoint: Checkpoint, extras: [(name: String, tensor: Tensor)], _ options: ContainerOptions
  ) throws(DeclipError) {
    try checkpoint.architecture.validate()
    if let quantization = checkpoint.quantization {
      try checkpoint.architecture.validate(quantization)
    }
    self.options = options
    items = try WritingPlan.items(checkpoint, extras, options)

    let architecture = try JSONSection.encode(checkpoint.architecture, Section.Name.architecture)
    let provenance = try JSONSection.encode(checkpoint.provenance, Section.Name.provenance)
    var contents = [
      Content(Section.Name.architecture, architecture, isRequired: true),
      Content(Section.Name.provenance, provenance),
    ]
    if let quantization = checkpoint.quantization {
      let record = try JSONSection.encode(
        QuantizationRecord(quantization), Section.Name.quantization)
      contents.append(Content(Section.Name.quantization, record, isRequired: true))
    }
    if let calibration = checkpoint.calibration {
      let text = Array(calibration.utf8)
      try JSONSection.requireObject(ByteView(text), Section.Name.calibration)
      contents.append(try Content(compressing: text, Section.Name.calibration))
    }
    if let tokenizer = checkpoint.tokenizer {
      contents.append(try Content(compressing: tokenizer.encoded(), Section.Name.tokenizer))
    }
    let sectionCount = contents.count + 2
    var end = UInt64(Layout.headerLength + sectionCount * Layout.tableEntryLength)
    var metadata: [(section: Section, content: [UInt8])] = []
    for content in contents {
      try WritingPlan.requireFits(UInt64(content.decodedLength), content.name)
      let section = Section(
        name: content.name, isRequired: content.isRequired, isCompressed: content.isCompressed,
        isChecksummedByParts: false, offset: WritingPlan.aligned(end),
        length: UInt64(content.stored.count), decodedLength: UInt64(content.decodedLength),
        checksum: Checksum.of(content.stored))
      metadata.append((section, content.stored))
      end = section.end
    }
    self.metadata = metadata
    indexOffset = WritingPlan.aligned(end)
    indexLength = items.reduce(8) {
      $0
        + UInt64(
          TensorEntry.encodedLength(
            name: $1.name, rank: $1.tensor.shape.count, frameCount: $1.frameCount))
    }
    try WritingPlan.requireFits(indexLength, Section.Name.tensors)
  }

  /// Where the first frame starts.
  var dataOffset: UInt64 { WritingPlan.aligned(indexOffset + indexLength) }

  /// Offsets of this writer's own making, which cannot overflow.
  static func aligned(_ offset: UInt64) -> UInt64 {
    Layout.aligned(offset) ?? offset
  }

  private static func requireFits(_ length: UInt64, _ name: String) throws(DeclipError) {
    guard length <= Layout.maximumSectionLength else {
      throw DeclipError(
        .badData, "would take \(length) bytes", place: "section '\(name)'",
        expected: "at most \(Layout.maximumSectionLength)")
    }
  }

  /// The tensors in the architecture's order, checked against it, then the extra ones.
  private static func items(
    _ checkpoint: Checkpoint, _ extras: [(name: String, tensor: Tensor)],
    _ options: ContainerOptions
  ) throws(DeclipError) -> [Item] {
    let specifications = checkpoint.architecture.tensors(quantizedAs: checkpoint.quantization)
    let roles = Set(specifications.map(\.role))
    var faults = TensorFaults(checkpoint.quantization)
    faults.surplus = checkpoint.tensors.keys.filter { !roles.contains($0) }.map(\.description)
      .sorted()
    var items: [Item] = []
    for specification in specifications {
      let name = specification.role.description
      guard let tensor = checkpoint.tensors[specification.role] else {
        faults.missing.append(name)
        continue
      }
      faults.check(tensor.dataType, tensor.shape, specification)
      let stored = options.storedType(of: tensor.dataType, specification.role)
      items.append(
        Item(
          name: name, tensor: tensor, stored: stored,
          transform: options.transform(
            of: stored, tensor.elementCount,
            bits: checkpoint.quantization?.layers[specification.role]?.weightBits),
          isExtra: false))
    }
    try faults.throwIfAny()
    // Readers refuse integers beyond their bits and impossible scales: so does the writer.
    for specification in specifications
    where checkpoint.quantization?.layers[specification.role] != nil {
      _ = try checkpoint.quantizedMatrix(specification.role)
    }
    for (name, tensor) in extras {
      items.append(
        Item(
          name: name, tensor: tensor, stored: tensor.dataType,
          transform: options.transform(of: tensor.dataType, tensor.elementCount, bits: nil),
          isExtra: true))
    }
    return items
  }
}

/// What a section before the tensors will hold.
private struct Content {
  let name: String
  let stored: [UInt8]
  let decodedLength: Int
  let isRequired: Bool
  let isCompressed: Bool

  /// Bytes as they are.
  init(_ name: String, _ content: [UInt8], isRequired: Bool = false) {
    self.name = name
    self.isRequired = isRequired
    (stored, decodedLength, isCompressed) = (content, content.count, false)
  }

  /// Bytes as one zstd frame.
  init(compressing content: [UInt8], _ name: String) throws(DeclipError) {
    self.name = name
    stored = try content.span.withUnsafeBytes { bytes throws(DeclipError) in
      try ZstdCompressor(level: 9).compress(bytes, parts: [bytes.count])
    }.withUnsafeBytes { [UInt8]($0) }
    (decodedLength, isRequired, isCompressed) = (content.count, false, true)
  }
}
