import Model

/// What an import notes besides tensors.
struct ImportNotes {
  /// Choices that the files do not settle, a sentence each.
  var warnings: [String] = []
  /// Where values come from, for provenance.
  var provenance: [String: String] = [:]

  /// Decides a CLIP model's nonlinearity: what the user asks for, else what the file `name`
  /// records, else `assumed` with a warning that ends in `reason`.
  ///
  /// Throws `usage` for a nonlinearity that CLIP's feed-forward network does not have.
  mutating func activation(
    asked: Activation?, recorded: Activation?, in name: String?, assumed: Activation,
    because reason: String
  ) throws(DeclipError) -> Activation {
    if let asked {
      guard asked != .silu else {
        throw DeclipError(
          .usage, "activation silu does not occur in CLIP", expected: "quick_gelu or gelu")
      }
      if let recorded, recorded != asked, let name {
        warnings.append(
          "\(name) records the activation \(recorded.rawValue); used \(asked.rawValue) as asked")
      }
      provenance["activation"] = "\(asked.rawValue) (asked for)"
      return asked
    }
    if let recorded, let name {
      provenance["activation"] = "\(recorded.rawValue) (\(name))"
      return recorded
    }
    warnings.append("activation is not recorded in the file; \(reason)")
    provenance["activation"] = "\(assumed.rawValue) (assumed)"
    return assumed
  }

  /// Decides the heads of a vision tower: what the user asks for, else what the file `name`
  /// records, else by the head size of published models, with a warning.
  mutating func heads(
    asked: Int?, recorded: Int?, in name: String?, width: Int
  ) throws(DeclipError) -> Int {
    if let asked {
      guard asked > 0, width % asked == 0 else {
        throw DeclipError(
          .usage, "\(asked) heads do not divide the vision width \(width)")
      }
      if let recorded, recorded != asked, let name {
        warnings.append("\(name) records \(recorded) heads; used \(asked) as asked")
      }
      provenance["heads"] = "\(asked) (asked for)"
      return asked
    }
    if let recorded, let name {
      provenance["heads"] = "\(recorded) (\(name))"
      return recorded
    }
    let size = publishedHeadSizes[width] ?? 64
    let heads = max(1, width / size)
    warnings.append(
      "heads are not recorded in the file; assumed \(heads) of size \(size) for the vision width"
        + " \(width): pass --heads if this is wrong")
    provenance["heads"] = "\(heads) (assumed)"
    return heads
  }
}

/// Head sizes other than 64 by vision width: OpenCLIP's H/14, g/14 and bigG/14.
private let publishedHeadSizes = [1280: 80, 1408: 88, 1664: 104]
