import Foundation
import Testing

@testable import Container
@testable import Model

/// The worked example of `formats/declip.md` is what the writer writes.
@Suite struct ExampleTests {
  /// The smallest CLIP: every element of every tensor is its own index.
  private func checkpoint() throws -> Checkpoint {
    let architecture = Architecture(
      family: .clip, embeddingSize: 2, logitScale: 100,
      vision: VisionTower(
        transformer: Transformer(
          width: 4, layers: 1, heads: 1, hiddenSize: 4, activation: .quickGELU,
          layerNormEpsilon: 1e-5),
        patchSize: 1, nativeGrid: Grid(rows: 1, columns: 1), hasPatchBias: false,
        hasPreNorm: true, hasProjectionBias: false, rotary: nil),
      text: nil, preprocessing: .clip)
    var tensors: [TensorRole: Tensor] = [:]
    for specification in architecture.tensors {
      let values = (0..<specification.shape.reduce(1, *)).map { Float($0) }
      tensors[specification.role] = Tensor(
        dataType: .float32, shape: specification.shape,
        bytes: ByteView(values.withUnsafeBytes { Array($0) }))
    }
    return Checkpoint(
      architecture: architecture, tensors: tensors, provenance: ["source": "example"])
  }

  @Test func exampleOfTheSpecificationIsWhatIsWritten() throws {
    let folder = try Folder()
    let path = folder.path + "/example.declip"
    let options = ContainerOptions(compression: .none, toolVersion: "example 1.0")
    try ContainerWriter.write(checkpoint(), to: path, options: options)
    let bytes = try fileBytes(path)
    let specification = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../formats/declip.md")
    let text = try String(contentsOf: specification, encoding: .utf8)
    #expect(text.contains("\(bytes.count) bytes long"))

    // Lines such as `00000000  89 44 43 4c ... |.DCL...|`, as `hexdump -C` prints them.
    let lines = text.split(separator: "\n").filter { $0.hasPrefix("    0000") && $0.hasSuffix("|") }
    #expect(lines.count > 20)
    for line in lines {
      let offset = try #require(Int(line.dropFirst(4).prefix(8), radix: 16))
      let listed = line.dropFirst(14).prefix(48).split(separator: " ").compactMap {
        UInt8($0, radix: 16)
      }
      try #require(offset + listed.count <= bytes.count)
      #expect(Array(bytes[offset..<offset + listed.count]) == listed, "line \(line)")
    }
  }
}
