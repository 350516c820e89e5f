import Model

extension TensorIndex {
  /// Gives every entry the role that `architecture` has for its name.
  ///
  /// Throws `badData` listing by name all tensors that are missing, surplus or of another shape or
  /// of a type that weights cannot have.
  mutating func assignRoles(from architecture: Architecture) throws(DeclipError) {
    var specifications: [String: TensorSpecification] = [:]
    for specification in architecture.tensors {
      specifications[specification.role.description] = specification
    }
    var faults = TensorFaults()
    for index in entries.indices {
      let entry = entries[index]
      guard let specification = specifications.removeValue(forKey: entry.name) else {
        if !entry.isExtra { faults.surplus.append(entry.name) }
        continue
      }
      entries[index].role = specification.role
      faults.check(entry.dataType, entry.shape, specification)
    }
    // In the architecture's order, which is the same every time.
    faults.missing = architecture.tensors.map(\.role.description).filter {
      specifications[$0] != nil
    }
    try faults.throwIfAny()
  }
}

/// What is wrong with a set of tensors as the tensors of an architecture.
struct TensorFaults {
  var missing: [String] = []
  var surplus: [String] = []
  var misshaped: [String] = []
  var mistyped: [String] = []

  /// Notes a wrong shape or type.
  mutating func check(_ dataType: DataType, _ shape: [Int], _ expected: TensorSpecification) {
    let name = expected.role.description
    if shape != expected.shape { misshaped.append("\(name) \(shape) not \(expected.shape)") }
    if !dataType.isFloat { mistyped.append("\(name) \(dataType.rawValue)") }
  }

  /// Throws `badData` naming every fault.
  func throwIfAny() throws(DeclipError) {
    let groups = [
      ("missing", missing), ("surplus", surplus), ("of a wrong shape", misshaped),
      ("of a type that is no float", mistyped),
    ].filter { !$0.1.isEmpty }
    guard !groups.isEmpty else { return }
    throw DeclipError(
      .badData,
      groups.map { "\($0.1.count) \($0.0): \($0.1.joined(separator: ", "))" }
        .joined(separator: "; "),
      place: "tensors", expected: "those of the architecture")
  }
}
