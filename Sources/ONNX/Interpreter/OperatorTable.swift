import Model

/// How one operator computes its outputs.
typealias OperatorFunction = @Sendable (Call) throws(DeclipError) -> [Value]

/// Every operator that the interpreter runs, by its name in the standard.
let operators: [String: OperatorFunction] = [
  elementwiseOperators, comparisonOperators, creationOperators, layoutOperators,
  indexingOperators, reductionOperators, productOperators, normalizationOperators,
  attentionOperators, resizeOperators,
].reduce(into: [:]) { $0.merge($1) { first, _ in first } }

/// The operators of ONNX Runtime's own domain that are run.
let gelus: Set = ["QuickGelu", "FastGelu", "Gelu"]

extension Interpreter {
  /// The names of the supported operators, sorted.
  public static var supportedOperators: [String] { operators.keys.sorted() }
}
