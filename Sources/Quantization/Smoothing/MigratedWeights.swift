import Model

/// A model with migrations and changes of biases, worked out while its weights are read: nothing
/// but the changes is in memory.
public struct MigratedWeights: WeightSource {
  /// The model that the changes are made to.
  public let base: any WeightSource
  /// The base's architecture; keys have a bias where an offset is moved past them.
  public let architecture: Architecture
  /// What is added to biases, `[outputs]` each.
  public var corrections: [TensorRole: [Float]] = [:]
  /// The migration of the rows that a layer reads, by the layer's weight.
  private var readers: [TensorRole: Migration] = [:]
  /// The migration of the rows that a layer makes, by the layer's weight.
  private var makers: [TensorRole: Migration] = [:]
  private let known: Set<TensorRole>

  /// Changes a model; groups without a source cannot be changed and are left out.
  public init(_ base: any WeightSource, migrations: [InputGroup: Migration] = [:]) {
    self.base = base
    known = Set(base.architecture.tensors.map(\.role))
    var architecture = base.architecture
    for (group, migration) in migrations {
      guard let source = group.source else { continue }
      for role in group.weights { readers[role] = migration }
      makers[source] = migration
      if group.kind == .projections, migration.offsets.contains(where: { $0 != 0 }) {
        architecture.vision.transformer.hasKeyBias = true
      }
    }
    self.architecture = architecture
  }

  /// Whether reading a tensor yields anything but the base's.
  public func changes(_ role: TensorRole) -> Bool {
    guard let weight = role.weight else { return corrections[role] != nil }
    return readers[weight] != nil || makers[weight] != nil || corrections[role] != nil
      || !known.contains(role)
  }

  /// A tensor's elements, row-major. Throws what the base's `read` throws.
  public func values(_ role: TensorRole) throws(DeclipError) -> [Float] {
    guard let shape = architecture.tensors.first(where: { $0.role == role })?.shape else {
      throw DeclipError(.internal, "is not part of the model", place: "tensor '\(role)'")
    }
    var values = [Float](repeating: 0, count: shape.reduce(1, *))
    try values.withUnsafeMutableBufferPointer { buffer throws(DeclipError) in
      try read(role, into: buffer)
    }
    return values
  }

  /// Writes a tensor's elements, row-major. Throws what the base's `read` throws.
  public func read(
    _ role: TensorRole, into destination: UnsafeMutableBufferPointer<Float>
  ) throws(DeclipError) {
    if known.contains(role) {
      try base.read(role, into: destination)
    } else {
      destination.update(repeating: 0)
    }
    if let weight = role.weight {
      if weight == role {
        change(weight: role, in: destination)
      } else {
        try change(biasOf: weight, in: destination)
      }
    }
    for (index, value) in (corrections[role] ?? []).enumerated() { destination[index] += value }
  }

  private func change(weight role: TensorRole, in values: UnsafeMutableBufferPointer<Float>) {
    if let migration = readers[role] {
      let width = migration.scales.count
      for start in stride(from: 0, to: values.count, by: width) {
        for column in 0..<width { values[start + column] *= migration.scales[column] }
      }
    }
    guard let migration = makers[role] else { return }
    // A norm's gain is one value a channel, a linear layer's weight a row.
    let row = values.count / migration.scales.count
    for (channel, scale) in migration.scales.enumerated() {
      for index in channel * row..<(channel + 1) * row { values[index] /= scale }
    }
  }

  private func change(
    biasOf weight: TensorRole, in values: UnsafeMutableBufferPointer<Float>
  ) throws(DeclipError) {
    if let migration = readers[weight], migration.offsets.contains(where: { $0 != 0 }) {
      var matrix = [Float](repeating: 0, count: values.count * migration.offsets.count)
      try matrix.withUnsafeMutableBufferPointer { buffer throws(DeclipError) in
        try base.read(weight, into: buffer)
      }
      let moved = product(matrix, migration.offsets.map(Double.init))
      for index in values.indices { values[index] = Float(Double(values[index]) + moved[index]) }
    }
    guard let migration = makers[weight] else { return }
    for index in values.indices {
      values[index] = (values[index] - migration.offsets[index]) / migration.scales[index]
    }
  }
}
