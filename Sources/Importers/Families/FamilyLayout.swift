import Model

/// How one library names and lays out the tensors of one family, and what it records beside them.
///
/// A layout is told by its `signature`, describes the architecture from shapes and configuration
/// files, and says for every role which foreign tensor, or part of one, plays it.
protocol FamilyLayout: Sendable {
  /// The name of the layout in provenance and errors.
  var name: String { get }
  /// Names that every file of the layout has and that together tell it from the others.
  var signature: [String] { get }
  /// The name that is there exactly when the file has a text tower.
  var textMark: String { get }
  /// What the names of the text tower begin with.
  var textPrefixes: [String] { get }
  /// Whether the texts are padded with the pad token that the tokenizer's files name, else 0.
  var usesNamedPadToken: Bool { get }

  /// The foreign tensor that plays `role`.
  func origin(of role: TensorRole) -> TensorOrigin

  /// What the names of a tower's blocks begin with, up to the block's index.
  func blockStem(of tower: Tower) -> String

  /// Whether a tensor is derived from others or from constants and therefore not read.
  func isDerived(_ name: String) -> Bool

  /// Describes the model, noting every choice that the files do not settle.
  func architecture(of model: ForeignModel, notes: inout ImportNotes) throws(DeclipError)
    -> Architecture
}

extension FamilyLayout {
  /// The name of the tensor that holds the logarithm of the logit scale.
  var logitScaleName: String { "logit_scale" }
}

/// Every layout that can be read. Where one's signature contains another's, it comes first.
let familyLayouts: [any FamilyLayout] = [
  EVA02.timm, EVA02.original, HuggingFaceCLIP(), OpenCLIP(text: .custom), OpenCLIP(text: .plain),
]

/// The foreign tensor, or the part of one, that plays a role.
struct TensorOrigin {
  /// How the foreign tensor relates to the canonical one.
  enum Form: Hashable {
    /// The same extents, perhaps with further leading extents of 1.
    case asStored
    /// A matrix with rows and columns exchanged.
    case transposed
    /// One of three equal parts of the outermost extent: query, key and value in one tensor.
    case third(Int)
  }

  let name: String
  let form: Form

  init(_ name: String, _ form: Form = .asStored) {
    self.name = name
    self.form = form
  }

  /// The extents of the foreign tensor for canonical extents.
  func foreignShape(of shape: [Int]) -> [Int] {
    switch form {
    case .asStored: shape
    case .transposed: shape.reversed()
    case .third: shape.prefix(1).map { 3 * $0 } + shape.dropFirst()
    }
  }

  /// The canonical tensor of extents `shape`; nil where the foreign one does not have it.
  func canonical(_ tensor: Tensor, shape: [Int]) -> Tensor? {
    switch form {
    case .asStored: return tensor.reshaped(shape)
    case .transposed: return tensor.transposed()
    case .third(let part):
      guard let rows = shape.first else { return nil }
      return tensor.rows(part * rows..<(part + 1) * rows)
    }
  }
}
