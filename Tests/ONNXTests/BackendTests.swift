import Foundation
import Model
import Testing

@testable import ONNX

/// The interpreter against the vectors that the ONNX project tests backends with.
@Suite struct BackendTests {
  @Test func everySupportedOperatorComputesTheProjectsVectors() throws {
    var passed: [String: Int] = [:]
    var total: [String: Int] = [:]
    var failures: [String] = []
    var refused = 0
    for test in try BackendVectors.cases() {
      let model = try ONNXFile.read(test.model, path: "", opsets: 1...99)
      let operations = Set(model.graph.nodes.map(\.operation))
      guard operations.isSubset(of: operators.keys) else { continue }
      let title = model.graph.nodes.count == 1 ? model.graph.nodes[0].operation : "expanded"
      total[title, default: 0] += 1
      if let fault = fault(of: model, test) {
        if Self.refusals.contains(where: fault.contains) {
          refused += 1
          continue
        }
        if Self.disputed.contains(test.name) { continue }
        failures.append("\(test.name): \(fault)")
      } else {
        passed[title, default: 0] += 1
      }
    }
    #expect(failures.isEmpty, "\(failures.joined(separator: "\n"))")
    let sums = [passed, total].map { $0.values.reduce(0, +) }
    print("ONNX node vectors: \(sums[0]) of \(sums[1]) pass, \(refused) are refused by name")
    for (name, count) in total.sorted(by: { $0.key < $1.key }) {
      print("  \(name): \(passed[name] ?? 0) of \(count)")
    }
    #expect(sums[1] > 500)
  }

  /// What no exported CLIP needs and what is refused in plain words instead of computed wrongly.
  private static let refusals = [
    "has a cache of past tokens", "gives out its cache or its scores",
    "expected those of operator set 23", "antialiases or keeps an aspect ratio",
    "resizes a region of interest",
  ]

  /// Where the project's reference and ONNX Runtime differ (see the vectors' README), and this
  /// interpreter agrees with ONNX Runtime.
  private static let disputed: Set = [
    "test_resize_downsample_scales_cubic_align_corners",
    "test_resize_downsample_scales_linear_align_corners",
  ]

  private func fault(of model: ONNXModel, _ test: BackendCase) -> String? {
    do {
      var given: [String: Value] = [:]
      for (input, message) in zip(model.graph.inputs, test.inputs) {
        given[input.name] = Value(try ONNXFile.tensor(message))
      }
      let results = try Interpreter(model).run(given)
      for (output, message) in zip(model.graph.outputs, test.outputs) {
        let expected = Value(try ONNXFile.tensor(message))
        guard let result = results[output.name] else { return "\(output.name) is missing" }
        if let fault = difference(result, expected) { return fault }
      }
      return nil
    } catch {
      return "\(error)"
    }
  }

  /// Differences beyond those that the ONNX project allows backends (1e-3 relative, 1e-7
  /// absolute), the latter widened to float16's and float32's own rounding.
  private func difference(_ result: Value, _ expected: Value) -> String? {
    guard result.shape == expected.shape else {
      return "shape \(result.shape), expected \(expected.shape)"
    }
    guard result.elementType == expected.elementType else {
      return "type \(result.elementType), expected \(expected.elementType)"
    }
    switch (result.elements, expected.elements) {
    case (.integers(let a), .integers(let b)):
      return a == b ? nil : "\(a.prefix(8)), expected \(b.prefix(8))"
    case (.floats(let a), .floats(let b)):
      let absolute: Float = expected.elementType == .float16 ? 1e-3 : 1e-6
      for (x, y) in zip(a, b) {
        let isEqual = x == y || x.isNaN && y.isNaN || abs(x - y) <= absolute + 1e-3 * abs(y)
        if !isEqual { return "\(x), expected \(y)" }
      }
      return nil
    default: return "kinds differ"
    }
  }
}

/// The page that errors send people to.
@Suite struct CoveragePageTests {
  @Test func pageNamesEveryOperator() throws {
    let page = try String(
      contentsOf: goldens.deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "formats/onnx-coverage.md"), encoding: .utf8)
    let words = Set(page.split { !$0.isLetter && !$0.isNumber }.map(String.init))
    for name in Interpreter.supportedOperators { #expect(words.contains(name), "\(name)") }
  }
}
