import Testing

@testable import Importers
@testable import Model

/// Models with tensors lost, renamed, reshaped or of other types are read or refused.
@Suite struct FamilyFuzzTests {
  @Test(arguments: FamilyRecognitionTests.models.indices)
  func changedModelsAreReadOrRefused(index: Int) {
    let (layout, architecture) = FamilyRecognitionTests.models[index]
    let original = layout.foreignTensors(of: architecture)
    let seed = UInt64(index) + 1
    var random = Seeded(seed)
    var refused = 0
    for round in 0..<300 {
      var tensors = original
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = Int.random(in: 0..<tensors.count, using: &random)
        if let changed = changed(tensors[place], &random) {
          tensors[place] = changed
        } else {
          tensors.remove(at: place)
        }
      }
      do {
        let source = CheckpointSource(tensors)
        let read = try FamilyRecognition.read(source, options: ImportOptions()).checkpoint
        for specification in read.architecture.tensors {
          #expect(
            read.tensors[specification.role]?.shape == specification.shape,
            "seed \(seed), round \(round)")
        }
      } catch {
        refused += 1
        #expect(error.kind == .badData, "seed \(seed), round \(round): \(error)")
      }
    }
    #expect(refused > 150)
  }

  /// Another tensor in the place of `tensor`, nil for none.
  private func changed(_ tensor: SourceTensor, _ random: inout Seeded) -> SourceTensor? {
    switch Int.random(in: 0..<8, using: &random) {
    case 0: nil
    case 1: tensor.with(name: tensor.name.replacing("0", with: "7"))
    case 2: tensor.with(name: tensor.name + ".0")
    case 3: tensor.with(shape: tensor.shape.reversed())
    case 4: tensor.with(shape: [tensor.shape.reduce(1, *)])
    case 5: tensor.with(shape: [1] + tensor.shape)
    case 6: tensor.with(shape: tensor.shape + [1])
    default: .float32(tensor.name, tensor.shape.map { _ in Int.random(in: 0...9, using: &random) })
    }
  }
}
