import Files
import Model

extension ContainerFile {
  /// Checks every byte of the file: all checksums, every frame by decoding it, the tokenizer and
  /// the calibration by reading them, weights in int8 against their record, and that nothing but
  /// zeros lies between.
  ///
  /// Throws `badData` that lists every damaged place by name, `inputOutput` where the file changes
  /// meanwhile.
  public func check(threads: Int = 1) throws(DeclipError) {
    try file.requireUnchanged()
    var damages = sections.compactMap(damage) + paddingDamages()
    let jobs = entries.flatMap { entry in entry.frames.indices.map { (entry, $0) } }
    try withOrderedWork(
      count: jobs.count, threads: threads, window: jobs.count,
      makeState: { () throws(DeclipError) in },
      produce: { (_, index) throws(DeclipError) -> DeclipError? in
        let (entry, frame) = jobs[index]
        do throws(DeclipError) {
          try self.withFrame(frame, of: entry) { decoder, bytes, frame throws(DeclipError) in
            try decoder.check(bytes, frame, of: entry)
          }
          return nil
        } catch {
          return error
        }
      },
      consume: { (_, damage) throws(DeclipError) in
        if let damage { damages.append(damage) }
      })
    if damages.isEmpty { damages = quantizationDamages(threads: threads) }
    // What others change meanwhile is no damage.
    try file.requireUnchanged()
    guard let first = damages.first else { return }
    if damages.count == 1 { throw first.inFile(path) }
    let places = damages.map { damage in
      "\(damage.place ?? "file") at byte \(damage.offset ?? 0) (\(damage.problem))"
    }
    throw DeclipError(
      .badData, "\(damages.count) places are damaged: \(places.joined(separator: "; "))",
      file: path, remedy: "copy or convert the file again")
  }

  /// Weights in int8, all of them intact, that are not what their record says.
  private func quantizationDamages(threads: Int) -> [DeclipError] {
    let roles = entries.compactMap(\.quantizedRole)
    var damages: [DeclipError] = []
    do throws(DeclipError) {
      try withOrderedWork(
        count: roles.count, threads: threads, window: roles.count,
        makeState: { () throws(DeclipError) in },
        produce: { (_, index) throws(DeclipError) -> DeclipError? in
          do throws(DeclipError) {
            _ = try self.quantizedMatrix(roles[index])
            return nil
          } catch {
            return error
          }
        },
        consume: { (_, damage) throws(DeclipError) in
          if let damage { damages.append(damage) }
        })
    } catch {
      damages.append(error)
    }
    return damages
  }

  /// What is wrong with a section whose checksum covers all of it.
  private func damage(_ section: Section) -> DeclipError? {
    guard !section.isChecksummedByParts else { return nil }
    do throws(DeclipError) {
      _ = try section.verified(in: file.bytes)
      if section.name == Section.Name.tokenizer { _ = try tokenizer() }
      if section.name == Section.Name.calibration { _ = try calibration() }
      return nil
    } catch {
      return error
    }
  }

  /// The gaps, at most 63 bytes each, that hold something else than zeros.
  private func paddingDamages() -> [DeclipError] {
    let tableEnd = Layout.headerLength + sections.count * Layout.tableEntryLength
    var end = UInt64(tableEnd)
    var damages: [DeclipError] = []
    func require(upTo start: UInt64, before place: String) {
      let gap = start > end ? file.bytes.slice(offset: end, length: start - end) : nil
      if let gap, !gap.withUnsafeBytes({ $0.allSatisfy { $0 == 0 } }) {
        damages.append(
          DeclipError(
            .badData, "is damaged: it is not zero", place: "padding before \(place)", offset: end))
      }
    }
    for section in sections {
      require(upTo: section.offset, before: section.place)
      end = section.end
    }
    end = sections.first { $0.name == Section.Name.data }?.offset ?? end
    for entry in entries {
      for (index, frame) in entry.frames.enumerated() {
        require(upTo: frame.offset, before: "\(entry.place) frame \(index)")
        end = frame.end
      }
    }
    return damages
  }
}
