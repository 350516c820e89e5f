/// The one canonical thing that every foreign file becomes: an architecture, its tensors by role,
/// and what else a `.declip` file keeps.
public struct Checkpoint: Sendable {
  /// What the model computes.
  public var architecture: Architecture
  /// Every tensor of `architecture.tensors(quantizedAs: quantization)`, in the source's element
  /// type; weights that `quantization` lists in int8, their scales in float32.
  public var tensors: [TensorRole: Tensor]
  /// The tokenizer; nil without a text tower, or where none was found.
  public var tokenizer: TokenizerData?
  /// Where the model comes from: source names and digests, metadata, options.
  public var provenance: [String: String]
  /// What the user should know about choices made on import, a sentence each.
  public var warnings: [String]
  /// How weights in int8 are computed with; nil for a model of floats.
  public var quantization: Quantization?
  /// How their scales were chosen: the text of a JSON object.
  public var calibration: String?

  /// Makes a checkpoint from its parts.
  public init(
    architecture: Architecture, tensors: [TensorRole: Tensor], tokenizer: TokenizerData? = nil,
    provenance: [String: String] = [:], warnings: [String] = [],
    quantization: Quantization? = nil, calibration: String? = nil
  ) {
    self.architecture = architecture
    self.tensors = tensors
    self.tokenizer = tokenizer
    self.provenance = provenance
    self.warnings = warnings
    self.quantization = quantization
    self.calibration = calibration
  }
}

/// Something that weights can be read from as float32, whatever they are stored as.
public protocol WeightSource: Sendable {
  /// The architecture whose tensors can be read.
  var architecture: Architecture { get }

  /// Writes a tensor's elements, row-major, to `destination`, which holds exactly their number.
  ///
  /// Safe to call from several threads. Throws `badData` where the tensor is absent or damaged.
  func read(
    _ role: TensorRole, into destination: UnsafeMutableBufferPointer<Float>
  ) throws(DeclipError)

  /// How the weights were quantised; nil for a model of floats.
  var quantization: Quantization? { get }

  /// The integers of a layer that `quantization` lists, `[outputs, inputs]` row-major, and its
  /// scales. `read` yields their products.
  ///
  /// Safe to call from several threads. Throws `badData` where the tensor is absent, damaged or not
  /// what `quantization` says of it, on which exact products rest, and for a layer that is not listed.
  func quantizedMatrix(_ role: TensorRole) throws(DeclipError) -> QuantizedMatrix
}

extension WeightSource {
  /// Nil: a model of floats.
  public var quantization: Quantization? { nil }

  /// Throws: a model of floats has no integers.
  public func quantizedMatrix(_ role: TensorRole) throws(DeclipError) -> QuantizedMatrix {
    throw DeclipError(.badData, "is not stored in int8", place: "tensor '\(role)'")
  }
}
