import Model

extension TensorEntry {
  /// Bytes of an entry without name, shape and frames.
  private static let fixedLength = 12
  /// Bytes of one frame in the index.
  static let frameRecordLength = 24
  private static let extraFlag: UInt16 = 1

  /// The bytes that an entry takes in the index.
  static func encodedLength(name: String, rank: Int, frameCount: Int) -> Int {
    fixedLength + name.utf8.count + 8 * rank + frameRecordLength * frameCount
  }

  /// Appends the entry.
  func encode(to builder: inout ByteBuilder) {
    builder.append(UInt8(truncatingIfNeeded: name.utf8.count))
    builder.append(dataType.code)
    builder.append(UInt8(truncatingIfNeeded: shape.count))
    builder.append(transform.rawValue)
    builder.append(compression.rawValue)
    builder.append(UInt8(0))
    builder.append(isExtra ? TensorEntry.extraFlag : 0)
    builder.append(UInt32(truncatingIfNeeded: frames.count))
    builder.append(name)
    for extent in shape { builder.append(UInt64(extent)) }
    for frame in frames {
      builder.append(frame.offset)
      builder.append(UInt32(truncatingIfNeeded: frame.storedLength))
      builder.append(UInt32(truncatingIfNeeded: frame.decodedLength))
      builder.append(frame.checksum)
    }
  }

  /// Reads one entry; throws `badData` where the entry by itself makes no sense. Where frames lie
  /// is for `TensorIndex` to check.
  init(from cursor: inout ByteCursor, _ header: Header) throws(DeclipError) {
    let start = cursor.offset
    let nameLength = try cursor.read(UInt8.self)
    let typeCode = try cursor.read(UInt8.self)
    let rank = try cursor.read(UInt8.self)
    let transformCode = try cursor.read(UInt8.self)
    let compressionCode = try cursor.read(UInt8.self)
    let reserved = try cursor.read(UInt8.self)
    let flags = try cursor.read(UInt16.self)
    let frameCount = try cursor.read(UInt32.self)
    name = try cursor.readString(Int(nameLength))
    guard !name.isEmpty, name.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw DeclipError(
        .badData, "the entry at byte \(start) of the index has no readable name",
        place: "section 'tensors'")
    }
    let place = "tensor '\(name)'"
    guard let dataType = DataType(code: typeCode),
      let transform = Transform(rawValue: transformCode),
      let compression = Compression(rawValue: compressionCode), reserved == 0,
      flags & ~TensorEntry.extraFlag == 0
    else {
      throw DeclipError(
        .badData, "has a type, storage or flag that this tool does not know", place: place,
        remedy: header.remedy)
    }
    self.dataType = dataType
    self.transform = transform
    self.compression = compression
    isExtra = flags & TensorEntry.extraFlag != 0
    guard transform == .none || (compression == .zstd && transform.suits(dataType)) else {
      let kind = transform.planeBits == nil ? "byte" : "bit"
      throw DeclipError(.badData, "has \(kind) planes where none can be", place: place)
    }
    guard rank <= Layout.maximumRank else {
      throw DeclipError(
        .badData, "has rank \(rank)", place: place, expected: "at most \(Layout.maximumRank)")
    }
    var shape: [Int] = []
    for _ in 0..<rank {
      let extent = try cursor.read(UInt64.self)
      guard let extent = Int(exactly: extent) else {
        throw DeclipError(.badData, "has an extent of \(extent)", place: place)
      }
      shape.append(extent)
    }
    self.shape = shape
    guard let byteCount = Tensor.byteCount(of: shape, dataType) else {
      throw DeclipError(.badData, "has a shape too large, \(shape)", place: place)
    }
    guard Int(frameCount) <= cursor.remaining / TensorEntry.frameRecordLength else {
      throw DeclipError(
        .badData, "declares \(frameCount) frames, more than the index has room for", place: place)
    }
    frames = try TensorEntry.frames(
      &cursor, Int(frameCount), compression, transform.multiple(width: dataType.byteWidth), place)
    guard frames.reduce(0, { $0 + $1.decodedLength }) == byteCount else {
      throw DeclipError(
        .badData, "its frames decode to \(frames.reduce(0) { $0 + $1.decodedLength }) bytes",
        place: place, expected: "\(byteCount) for shape \(shape) of \(dataType.rawValue)")
    }
  }

  private static func frames(
    _ cursor: inout ByteCursor, _ count: Int, _ compression: Compression, _ multiple: Int,
    _ place: String
  ) throws(DeclipError) -> [Frame] {
    var frames: [Frame] = []
    frames.reserveCapacity(count)
    for index in 0..<count {
      let offset = try cursor.read(UInt64.self)
      let stored = try Int(cursor.read(UInt32.self))
      let decoded = try Int(cursor.read(UInt32.self))
      let checksum = try cursor.read(UInt64.self)
      // Uncompressed frames of a tensor join without padding, so that the tensor is one run.
      let step = compression == .none && index < count - 1 ? Int(Layout.alignment) : multiple
      guard decoded > 0, decoded <= Layout.maximumFrameLength, decoded % step == 0, stored > 0,
        compression == .zstd || stored == decoded
      else {
        throw DeclipError(
          .badData, "frame \(index) stores \(stored) bytes for \(decoded)", place: place,
          offset: offset,
          expected: "1 to \(Layout.maximumFrameLength) decoded bytes, a multiple of \(step)")
      }
      frames.append(
        Frame(offset: offset, storedLength: stored, decodedLength: decoded, checksum: checksum))
    }
    return frames
  }
}
