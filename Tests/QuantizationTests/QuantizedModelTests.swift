import Container
import Foundation
import Model
import Runtime
import Testing

@testable import Quantization

/// What is written of a quantised tower.
@Suite struct QuantizedModelTests {
  /// A model in a file, and its tower quantised with all that recipes have.
  private func make(
    in folder: String, precision: DataType? = nil
  ) throws -> (source: ContainerFile, tower: QuantizedTower) {
    let model = RandomModel(.eva02)
    var tensors: [TensorRole: Tensor] = [:]
    for specification in model.architecture.tensors {
      var values = [Float](repeating: 0, count: specification.shape.reduce(1, *))
      try values.withUnsafeMutableBufferPointer { try model.read(specification.role, into: $0) }
      tensors[specification.role] = Tensor(
        dataType: .float32, shape: specification.shape,
        bytes: ByteView(values.withUnsafeBytes { Array($0) }))
    }
    let path = folder + "/float.declip"
    var options = ContainerOptions(toolVersion: "tests")
    options.precision = precision
    _ = try ContainerWriter.write(
      Checkpoint(
        architecture: model.architecture, tensors: tensors, provenance: ["source": "random"]),
      to: path, options: options)
    let source = try ContainerFile(path: path)
    let pool = try WorkerPool(threads: 2)
    let pictures = RandomPictures()
    let pass = try ActivationPass(
      source, size: pictures.size, modes: [.qq], pool: pool, kernels: .chosen())
    let observer = LayerObserver(
      source.architecture, pictures: pictures.count, rows: 100, seed: 1, pool: pool)
    try pass.run(pictures, observer: observer)
    let quantizer = TowerQuantizer(source, statistics: observer.statistics, pool: pool)
    var recipe = Recipe(
      inputs: .perRow, rounding: .gptq, migrates: true, correctsBias: true)
    recipe.bits[quantizer.groups[2]] = .init(weights: 7, inputs: 7)
    recipe.floats = [quantizer.groups[3]]
    recipe.wideAttention = [.init(block: 1, kind: .values)]
    return (source, try quantizer.tower(recipe))
  }

  private func floats(_ source: some WeightSource, _ specification: TensorSpecification) throws
    -> [Float]
  {
    var values = [Float](repeating: 0, count: specification.shape.reduce(1, *))
    try values.withUnsafeMutableBufferPointer { try source.read(specification.role, into: $0) }
    return values
  }

  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "quantized-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
  }

  @Test func fileHoldsTheTowerAndItsRecord() throws {
    try withFolder { folder in
      let (source, tower) = try make(in: folder)
      let record = CalibrationRecord(calibrationPictures: 6, heldOutPictures: 2)
      let path = folder + "/int8.declip"
      _ = try QuantizedModel(
        tower, of: source, textWeights: .source, calibration: record,
        provenance: ["tool": "tests"]
      ).write(to: path, threads: 2, toolVersion: "tests")
      let file = try ContainerFile(path: path)
      try file.check(threads: 1)
      #expect(file.quantization == tower.layers)
      #expect(file.quantization?.attention.map(\.valueBits) == [8, 12, 8])
      #expect(file.architecture == tower.architecture)
      #expect(file.provenance == source.provenance.merging(["tool": "tests"]) { $1 })
      #expect(try file.calibration(as: CalibrationRecord.self) == record)
      for specification in tower.architecture.tensors {
        #expect(
          try floats(file, specification) == floats(tower, specification), "\(specification.role)")
        guard let matrix = tower.matrices[specification.role] else { continue }
        let found = try file.quantizedMatrix(specification.role)
        #expect(found.values == matrix.values && found.scales == matrix.scales)
      }
    }
  }

  /// Tensors that quantisation leaves alone keep the source's bytes, those that it moves do not.
  @Test func onlyWhatChangedIsWrittenAnew() throws {
    try withFolder { folder in
      let (source, tower) = try make(in: folder, precision: .float16)
      let model = try QuantizedModel(tower, of: source, textWeights: nil)
      var kept = 0
      for specification in source.architecture.tensors
      where tower.layers.layers[specification.role] == nil {
        let type = try #require(model.checkpoint.tensors[specification.role]).dataType
        let isMoved = try floats(source, specification) != floats(tower, specification)
        #expect(type == (isMoved ? .float32 : .float16), "\(specification.role)")
        kept += isMoved ? 0 : 1
      }
      #expect(kept > 3)
      #expect(model.checkpoint.calibration == nil)
    }
  }
}
