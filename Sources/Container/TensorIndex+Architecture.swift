import Model

extension TensorIndex {
  /// Gives every entry the role that `architecture`, quantised as described, has for its name.
  ///
  /// Throws `badData` listing by name all tensors that are missing, surplus or of another shape or
  /// of a type that weights cannot have.
  mutating func assignRoles(
    from architecture: Architecture, _ quantization: Quantization?
  ) throws(DeclipError) {
    let tensors = architecture.tensors(quantizedAs: quantization)
    var specifications: [String: TensorSpecification] = [:]
    for specification in tensors {
      specifications[specification.role.description] = specification
    }
    var faults = TensorFaults(quantization)
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
    faults.missing = tensors.map(\.role.description).filter { specifications[$0] != nil }
    try faults.throwIfAny()
  }
}
