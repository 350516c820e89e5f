import Model

extension ContainerFile {
  /// The integers and scales of a weight in int8.
  ///
  /// Safe to call from several threads. Throws `badData` where the tensor is absent, damaged or not
  /// in int8, or holds what its record in section `quantization` rules out.
  public func quantizedMatrix(_ role: TensorRole) throws(DeclipError) -> QuantizedMatrix {
    guard let layer = quantization?.layers[role], let scales = role.scales,
      let entry = entry(role), let scalesEntry = self.entry(scales)
    else {
      throw DeclipError(
        .badData, "is not stored in int8", file: path, place: "tensor '\(role)'")
    }
    var failure: DeclipError?
    let values = [Int8](unsafeUninitializedCapacity: entry.elementCount) { target, count in
      let bytes = UnsafeMutableRawBufferPointer(
        rebasing: UnsafeMutableRawBufferPointer(target)[..<entry.elementCount])
      do throws(DeclipError) {
        try decode(entry, into: bytes)
        count = entry.elementCount
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    var factors = [Float](repeating: 0, count: scalesEntry.elementCount)
    try factors.withUnsafeMutableBufferPointer { buffer throws(DeclipError) in
      try read(scalesEntry, into: buffer)
    }
    do throws(DeclipError) {
      guard let matrix = QuantizedMatrix(values: values, scales: factors) else {
        throw DeclipError(.badData, "has no whole rows", place: entry.place)
      }
      try matrix.validate(weightBits: layer.weightBits, place: entry.place)
      return matrix
    } catch {
      throw error.inFile(path)
    }
  }

  /// How the scales were chosen, a JSON object; nil in a file that does not say.
  ///
  /// Throws `badData` where it is damaged.
  public func calibration() throws(DeclipError) -> String? {
    do throws(DeclipError) {
      guard let section = SectionTable(sections)[Section.Name.calibration] else { return nil }
      let content = try content(of: section)
      try JSONSection.requireObject(content, section.name)
      return content.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    } catch {
      throw error.inFile(path)
    }
  }
}

extension ContainerFile {
  /// The same as a value that its reader knows; nil in a file that does not say.
  ///
  /// Throws `badData` where it is damaged, or is no such value, naming the key.
  public func calibration<Record: Decodable>(as _: Record.Type) throws(DeclipError) -> Record? {
    do throws(DeclipError) {
      guard let section = SectionTable(sections)[Section.Name.calibration] else { return nil }
      return try JSONSection.decode(
        Record.self, content(of: section), section.name, header)
    } catch {
      throw error.inFile(path)
    }
  }
}
