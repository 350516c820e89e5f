import Model
import ONNX

/// The original graph of an imported model, to compare the conversion with.
public struct ReferenceGraph: Sendable {
  private let interpreter: Interpreter
  private let inputs: TraceInputs
  private let visionOutput: String
  private let textOutput: String?

  init(graph: TracedGraph, inputs: TraceInputs, visionOutput: String, textOutput: String?) {
    interpreter = Interpreter(graph.model)
    self.inputs = inputs
    self.visionOutput = visionOutput
    self.textOutput = textOutput
  }

  /// What the graph computes for one seed, and from what.
  public struct Run: Sendable {
    /// The first picture, `[3, height, width]`, normalised as the network wants it.
    public let pixels: [Float]
    /// The rows of pixels.
    public let height: Int
    /// The columns of pixels.
    public let width: Int
    /// The projected features of the first picture, row-major, not normalised: `[embedding]`, or
    /// with a class token or without `[tokens, embedding]`.
    public let vision: [Float]
    /// The first text's token ids; empty without a text tower.
    public let tokens: [Int32]
    /// The id at whose first place the text is pooled.
    public let endToken: Int32
    /// The first text's embedding, not normalised; empty without a text tower.
    public let text: [Float]
  }

  /// Runs the graph on seeded inputs; texts end in `endToken`, by default the highest id.
  ///
  /// Throws `badData` where the graph cannot be run.
  public func run(
    seed: UInt64, embeddingSize: Int, endToken: Int?
  ) throws(DeclipError) -> Run {
    let endToken = endToken ?? inputs.vocabularySize - 1
    let values = inputs.values(seed: seed, endToken: endToken)
    let targets = [visionOutput] + (textOutput.map { [$0] } ?? [])
    let results = try interpreter.run(values, targets: targets)
    guard let pixels = inputs.pixels, let image = values[pixels.name]?.floats,
      let vision = results[visionOutput]?.floats
    else { throw DeclipError(.internal, "the graph gives no features") }
    let batch = max(1, pixels.shape[0])
    var (ids, text) = ([Int32](), [Float]())
    if let tokens = inputs.tokens, let textOutput, let all = values[tokens.name]?.integers {
      ids = all.prefix(tokens.shape[1]).map { Int32($0) }
      text = Array((results[textOutput]?.floats ?? []).prefix(embeddingSize))
    }
    return Run(
      pixels: Array(image.prefix(image.count / batch)), height: pixels.shape[2],
      width: pixels.shape[3], vision: Array(vision.prefix(vision.count / batch)), tokens: ids,
      endToken: Int32(endToken), text: text)
  }
}
