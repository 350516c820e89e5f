import Files
import Model

extension ContainerFile {
  /// Writes a tensor's elements as float32, row-major, to `destination`, which holds exactly their
  /// number.
  ///
  /// Weights in int8 become their products with the scales. Safe to call from several threads;
  /// scratch is two frames a call at most, or the bytes of one weight in int8, and pages of the
  /// file go back to the system frame by frame. Throws `badData` where the tensor is absent or
  /// damaged, `inputOutput` where the file changes meanwhile.
  public func read(
    _ role: TensorRole, into destination: UnsafeMutableBufferPointer<Float>
  ) throws(DeclipError) {
    try read(try require(role), into: destination)
  }

  /// The same for a tensor of the index, whether the architecture knows it or not.
  public func read(
    _ entry: TensorEntry, into destination: UnsafeMutableBufferPointer<Float>
  ) throws(DeclipError) {
    try requireRoom(destination.count, entry)
    if let role = entry.quantizedRole {
      return try quantizedMatrix(role).widen(into: destination)
    }
    var start = 0
    for index in entry.frames.indices {
      let count = entry.frames[index].decodedLength / entry.dataType.byteWidth
      let part = UnsafeMutableBufferPointer(rebasing: destination[start..<start + count])
      try withFrame(index, of: entry) { decoder, bytes, frame throws(DeclipError) in
        try decoder.decode(bytes, frame, of: entry, asFloat: part)
      }
      start += count
    }
  }

  /// Reads several tensors at once, their frames shared out among `threads` threads.
  ///
  /// Every destination holds exactly its tensor's elements. Throws as `read` does.
  public func read(
    _ destinations: [(role: TensorRole, elements: UnsafeMutableBufferPointer<Float>)],
    threads: Int
  ) throws(DeclipError) {
    var jobs: [FrameJob] = []
    for (role, elements) in destinations {
      let entry = try require(role)
      try requireRoom(elements.count, entry)
      guard entry.quantizedRole == nil else {
        jobs.append(FrameJob(entry: entry, frame: nil, part: elements))
        continue
      }
      var start = 0
      for (index, frame) in entry.frames.enumerated() {
        let count = frame.decodedLength / entry.dataType.byteWidth
        jobs.append(
          FrameJob(
            entry: entry, frame: index,
            part: UnsafeMutableBufferPointer(rebasing: elements[start..<start + count])))
        start += count
      }
    }
    let list = jobs
    try withOrderedWork(
      count: list.count, threads: threads, window: list.count,
      makeState: { () throws(DeclipError) in },
      produce: { (_, index) throws(DeclipError) in
        let job = list[index]
        guard let frame = job.frame else { return try self.read(job.entry, into: job.part) }
        try self.withFrame(frame, of: job.entry) { decoder, bytes, frame throws(DeclipError) in
          try decoder.decode(bytes, frame, of: job.entry, asFloat: job.part)
        }
      },
      consume: { (_, _) throws(DeclipError) in })
  }

  /// A tensor in the type that is stored: a view of the mapping where it is uncompressed, else a
  /// decoded copy. Throws `badData` where it is absent or damaged.
  public func tensor(_ role: TensorRole) throws(DeclipError) -> Tensor {
    try tensor(try require(role))
  }

  /// The same for a tensor of the index, whether the architecture knows it or not.
  public func tensor(_ entry: TensorEntry) throws(DeclipError) -> Tensor {
    let bytes: ByteView
    if entry.compression == .none {
      for index in entry.frames.indices {
        try withFrame(index, of: entry, releasing: false) { _, bytes, frame throws(DeclipError) in
          try FrameDecoder.verify(bytes, frame)
        }
      }
      let start = entry.frames.first?.offset ?? 0
      guard let view = file.bytes.slice(offset: start, length: entry.decodedBytes) else {
        throw DeclipError(.internal, "does not lie in the file", file: path, place: entry.place)
      }
      bytes = view
    } else {
      bytes = try ByteView(count: Int(entry.decodedBytes)) { target throws(DeclipError) in
        try decode(entry, into: target)
      }
    }
    guard let tensor = Tensor(dataType: entry.dataType, shape: entry.shape, bytes: bytes) else {
      throw DeclipError(.internal, "its frames do not add up", file: path, place: entry.place)
    }
    return tensor
  }

  /// Writes a tensor's bytes to `target`, which has their number.
  func decode(
    _ entry: TensorEntry, into target: UnsafeMutableRawBufferPointer
  ) throws(DeclipError) {
    var start = 0
    for index in entry.frames.indices {
      let end = start + entry.frames[index].decodedLength
      let part = UnsafeMutableRawBufferPointer(rebasing: target[start..<end])
      try withFrame(index, of: entry) { decoder, bytes, frame throws(DeclipError) in
        try decoder.decode(bytes, frame, of: entry, into: part)
      }
      start = end
    }
  }

  /// Calls `body` with a decoder and the stored bytes of a frame, then gives the pages back.
  ///
  /// Errors of `body` get the tensor, the frame and the offset added.
  func withFrame(
    _ index: Int, of entry: TensorEntry, releasing: Bool = true,
    _ body: (FrameDecoder, UnsafeRawBufferPointer, TensorEntry.Frame) throws(DeclipError) -> Void
  ) throws(DeclipError) {
    let frame = entry.frames[index]
    let place = "\(entry.place) frame \(index)"
    do throws(DeclipError) {
      guard
        let bytes = file.bytes.slice(offset: frame.offset, length: UInt64(frame.storedLength))
      else { throw DeclipError(.badData, "does not lie in the file") }
      try file.whileUnchanged { () throws(DeclipError) in
        try pool.with { decoder throws(DeclipError) in
          try bytes.withUnsafeBytes { bytes throws(DeclipError) in
            try body(decoder, bytes, frame)
          }
        }
      }
    } catch {
      if error.kind == .inputOutput { throw error }
      var error = error.inFile(path)
      error.place = place
      error.offset = frame.offset
      error.remedy = error.remedy ?? "copy or convert the file again"
      throw error
    }
    if releasing { file.release(Int(frame.offset)..<Int(frame.end)) }
  }

  private func require(_ role: TensorRole) throws(DeclipError) -> TensorEntry {
    guard let entry = entry(role) else {
      throw DeclipError(.badData, "is not in the file", file: path, place: "tensor '\(role)'")
    }
    return entry
  }

  private func requireRoom(_ count: Int, _ entry: TensorEntry) throws(DeclipError) {
    guard count == entry.elementCount else {
      throw DeclipError(
        .internal, "the destination holds \(count) elements", file: path, place: entry.place,
        expected: "\(entry.elementCount)")
    }
  }
}

/// One frame, or a whole weight in int8, and where its elements go.
private struct FrameJob: @unchecked Sendable {
  // Sendable: destinations of different frames do not overlap.
  let entry: TensorEntry
  let frame: Int?
  let part: UnsafeMutableBufferPointer<Float>
}
