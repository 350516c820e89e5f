import Glibc
import Model
import ONNX

/// The nonlinearity between two linear layers, found out by running it.
struct ActivationProbe {
  let graph: TracedGraph
  let place: String

  /// Nonlinearities by what they compute.
  private static let functions: [(Activation, @Sendable (Double) -> Double)] = [
    (.quickGELU, { $0 / (1 + exp(-1.702 * $0)) }),
    (.gelu, { 0.5 * $0 * (1 + erf($0 / 2.0.squareRoot())) }),
    (
      .geluTanh,
      { 0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }
    ),
    (.silu, { $0 / (1 + exp(-$0)) }),
  ]

  /// The nonlinearity between `source` and `output`, both values of the graph.
  func activation(from source: LinearLayer, to output: String) throws(DeclipError) -> Activation {
    let results = try response(output, [source: { $0 }])
    return try recognise(results, at: source)
  }

  /// The gate of two layers whose product `output` is, and its nonlinearity.
  func gate(
    of first: LinearLayer, _ second: LinearLayer, to output: String
  ) throws(DeclipError) -> (gate: LinearLayer, up: LinearLayer, Activation) {
    for (gate, up) in [(first, second), (second, first)] {
      let results = try response(output, [gate: { $0 }, up: { _ in 1 }])
      if let activation = match(results, at: gate) { return (gate, up, activation) }
    }
    throw unknown(first)
  }

  private func recognise(
    _ results: [(x: Double, y: Double)], at layer: LinearLayer
  ) throws(DeclipError) -> Activation {
    guard let activation = match(results, at: layer) else { throw unknown(layer) }
    return activation
  }

  /// The nearest nonlinearity, if it is near enough; in graphs of 16-bit floats its constants are
  /// rounded.
  private func match(
    _ results: [(x: Double, y: Double)], at layer: LinearLayer
  ) -> Activation? {
    let isHalf = graph.types[layer.output].map { $0 != .float32 && $0 != .float64 } ?? false
    let errors = Self.functions.map { activation, function in
      (activation, results.map { abs($0.y - function($0.x)) / max(1, abs($0.x)) }.max() ?? 1)
    }
    guard let best = errors.min(by: { $0.1 < $1.1 }) else { return nil }
    return best.1 < (isHalf ? 1e-3 : 2e-5) ? best.0 : nil
  }

  /// What comes out in the first row where a ramp from -6 to 6 goes in.
  private func response(
    _ output: String, _ sources: [LinearLayer: (Double) -> Double]
  ) throws(DeclipError) -> [(x: Double, y: Double)] {
    guard let columns = sources.keys.map(\.outputs).min(), columns > 0 else { return [] }
    let ramp = (0..<columns).map { Double($0) / Double(max(columns - 1, 1)) * 12 - 6 }
    var given: [String: Value] = [:]
    for (layer, function) in sources {
      guard let shape = graph.shapes[layer.output] else { continue }
      let rows = shape.dropLast().reduce(1, *)
      let row = ramp.map { Float(function($0)) }
      given[layer.output] = Value((0..<rows).flatMap { _ in row }, shape: shape)
    }
    let result = try graph.evaluate([output], given: given)[output]
    guard let values = result?.floats, values.count >= columns else { return [] }
    return zip(ramp, values).map { (Double(Float($0)), Double($1)) }
  }

  private func unknown(_ layer: LinearLayer) -> DeclipError {
    DeclipError(
      .badData, "the nonlinearity behind \(layer.node.place) is not known", place: place,
      expected: "gelu, gelu_tanh, quick_gelu or silu")
  }
}

extension LinearLayer: Hashable {
  static func == (a: LinearLayer, b: LinearLayer) -> Bool { a.output == b.output }
  func hash(into hasher: inout Hasher) { hasher.combine(output) }
}
