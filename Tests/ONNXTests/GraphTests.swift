import Foundation
import Model
import Testing

@testable import ONNX

/// Whole exported graphs against ONNX Runtime (`Tests/Goldens/onnx/README.md`).
@Suite struct GraphTests {
  struct Record: Decodable, Sendable, CustomTestStringConvertible {
    struct Input: Decodable {
      let name: String
      let shape: [Int]
      let type: String
      let values: [Int64]?
    }
    struct Output: Decodable {
      let name: String
      let shape: [Int]
      let norm: Double
      let values: [Float]
    }
    let file: String
    let tolerance: Float
    let inputs: [Input]
    let outputs: [Output]

    var testDescription: String { file }

    static let all: [Record] = {
      let data = try? Data(contentsOf: goldens.appending(path: "onnx.json"))
      return data.flatMap { try? JSONDecoder().decode([Record].self, from: $0) } ?? []
    }()
  }

  @Test func allGraphsAreListed() { #expect(Record.all.count == 35) }

  @Test(arguments: Record.all) func outputsAreThoseOfONNXRuntime(record: Record) throws {
    let model = try ONNXFile.read(path: goldens.appending(path: record.file).path)
    var given: [String: Value] = [:]
    for input in record.inputs {
      if let values = input.values {
        given[input.name] = Value(values, shape: input.shape)
      } else {
        given[input.name] = Value(
          (0..<input.shape.reduce(1, *)).map { Float(sin(0.37 * Double($0) + 0.11)) },
          shape: input.shape, type: input.type == "float16" ? .float16 : .float32)
      }
    }
    let results = try Interpreter(model).run(given)
    for output in record.outputs {
      let result = try #require(results[output.name])
      #expect(result.shape == output.shape)
      let floats = try #require(result.floats)
      let norm = floats.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(abs(norm - output.norm) <= Double(record.tolerance) * output.norm)
      let largest = floats.map { abs($0) }.max() ?? 0
      for (value, expected) in zip(floats, output.values) {
        #expect(abs(value - expected) <= record.tolerance * largest)
      }
    }
  }
}
