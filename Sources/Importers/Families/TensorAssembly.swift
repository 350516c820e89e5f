import Model

/// Collects the tensors of an architecture from a foreign model, or everything that is wrong
/// with them in one error.
struct TensorAssembly {
  private let model: ForeignModel
  private let layout: any FamilyLayout
  private let architecture: Architecture
  private let specifications: [TensorSpecification]
  private let surplus: [String]
  /// The most tensors that a sentence or an error lists.
  private static let mostNames = 1000

  init(model: ForeignModel, layout: any FamilyLayout, architecture: Architecture) {
    self.model = model
    self.layout = layout
    self.architecture = architecture
    specifications = architecture.tensors
    var used: Set<ByteString> = [ByteString(model.prefix + layout.logitScaleName)]
    for specification in specifications {
      used.insert(ByteString(model.prefix + layout.origin(of: specification.role).name))
    }
    surplus = model.source.tensors.map(\.name).filter { name in
      guard !used.contains(ByteString(name)) else { return false }
      guard name.utf8.starts(with: model.prefix.utf8) else { return true }
      let bare = String(Substring(name.utf8.dropFirst(model.prefix.utf8.count)))
      if layout.isDerived(bare) { return false }
      return architecture.text != nil || !layout.textPrefixes.contains { bare.hasPrefix($0) }
    }
  }

  /// A sentence naming the tensors that nothing asks for, nil without any.
  var surplusWarning: String? {
    guard !surplus.isEmpty else { return nil }
    let names = surplus.prefix(Self.mostNames).map { quoted($0) }.joined(separator: ", ")
    return "\(surplus.count) \(surplus.count == 1 ? "tensor is" : "tensors are")"
      + " not part of the model and left out: \(names)"
      + (surplus.count > Self.mostNames ? " and so on" : "")
  }

  /// Every tensor of the architecture by role, fused ones taken apart without a copy.
  ///
  /// Throws `badData` with a line for each tensor that is missing or has another shape or type,
  /// and for each that the file has inside a block beyond what the layout knows.
  func tensors() throws(DeclipError) -> [TensorRole: Tensor] {
    var tensors: [TensorRole: Tensor] = [:]
    var faults: [Fault] = []
    var seen: Set<ByteString> = []
    for specification in specifications {
      let origin = layout.origin(of: specification.role)
      let foreignShape = origin.foreignShape(of: specification.shape)
      if let fault = fault(of: origin.name, expected: foreignShape) {
        // A fused tensor has three roles but is named once.
        if seen.insert(ByteString(origin.name)).inserted { faults.append(fault) }
        continue
      }
      let stored = model[origin.name]?.tensor?.reshaped(foreignShape)
      if origin.form == .transposed, let count = stored?.bytes.count {
        try model.source.budget.take(count, place: quoted(origin.name))
      }
      guard let tensor = stored.flatMap({ origin.canonical($0, shape: specification.shape) })
      else {
        throw DeclipError(
          .internal, "cannot be taken from \(quoted(origin.name))",
          place: "tensor \(quoted(specification.role.description))")
      }
      tensors[specification.role] = tensor
    }
    faults += surplus.filter(isInsideBlock).enumerated().map { index, name in
      let text = "\(quoted(name)) is a layer of a block that the layout does not know"
      return Fault(.unknownLayer, index < Self.mostNames ? text : "")
    }
    guard faults.isEmpty else { throw mismatch(faults) }
    return tensors
  }

  private func fault(of name: String, expected: [Int]) -> Fault? {
    let fullName = quoted(model.prefix + name)
    guard let tensor = model[name] else {
      return Fault(.missing, "\(fullName) \(expected) is missing")
    }
    guard withoutLeadingOnes(tensor.shape, rank: expected.count) == expected else {
      return Fault(.shape, "\(fullName) has the shape \(tensor.shape), expected \(expected)")
    }
    guard tensor.dataType?.isFloat == true else {
      return Fault(
        .type,
        "\(fullName) holds \(tensor.elementType), expected 16-, 32- or 64-bit floating point")
    }
    return nil
  }

  /// Whether a surplus tensor belongs to a block: the model then computes with a layer that this
  /// family does not have, and leaving it out would change every result.
  private func isInsideBlock(_ name: String) -> Bool {
    let towers: [Tower] = architecture.text == nil ? [.vision] : [.vision, .text]
    return towers.contains { name.hasPrefix(model.prefix + layout.blockStem(of: $0)) }
  }

  private func mismatch(_ faults: [Fault]) -> DeclipError {
    let counts = Fault.Kind.allCases.compactMap { kind in
      let count = faults.count { $0.kind == kind }
      return count == 0 ? nil : kind.described(count)
    }
    let lines =
      faults.prefix(Self.mostNames).map { "\n  " + $0.text }.joined()
      + (faults.count > Self.mostNames ? "\n  and so on" : "")
    return DeclipError(
      .badData,
      "the tensors do not fit the \(layout.name) layout: \(counts.joined(separator: ", "))."
        + lines)
  }
}

/// One thing that is wrong with one tensor.
private struct Fault {
  enum Kind: CaseIterable {
    case missing
    case shape
    case type
    case unknownLayer

    func described(_ count: Int) -> String {
      let isOne = count == 1
      return switch self {
      case .missing: isOne ? "1 is missing" : "\(count) are missing"
      case .shape: isOne ? "1 has another shape" : "\(count) have another shape"
      case .type: isOne ? "1 has another element type" : "\(count) have another element type"
      case .unknownLayer: isOne ? "1 is of an unknown layer" : "\(count) are of unknown layers"
      }
    }
  }

  let kind: Kind
  let text: String

  init(_ kind: Kind, _ text: String) {
    self.kind = kind
    self.text = text
  }
}
