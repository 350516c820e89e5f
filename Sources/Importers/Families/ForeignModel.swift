import Model

/// The tensors of a checkpoint as a layout sees them: by name, behind a common prefix that a
/// training framework may have put before every name.
struct ForeignModel {
  /// Prefixes that wrappers put before every name.
  static let wrapperPrefixes = [
    "", "module.", "model.", "state_dict.", "state_dict.module.", "model_state_dict.",
  ]

  let source: CheckpointSource
  let options: ImportOptions
  /// What every name of the model begins with in the file.
  let prefix: String
  private let places: [ByteString: Int]

  init(_ source: CheckpointSource, options: ImportOptions, prefix: String = "") {
    self.source = source
    self.options = options
    self.prefix = prefix
    places = Dictionary(
      source.tensors.enumerated().map { (ByteString($1.name), $0) },
      uniquingKeysWith: { first, _ in first })
  }

  /// The same tensors behind another prefix.
  func behind(_ prefix: String) -> ForeignModel {
    ForeignModel(source: source, options: options, prefix: prefix, places: places)
  }

  private init(
    source: CheckpointSource, options: ImportOptions, prefix: String, places: [ByteString: Int]
  ) {
    self.source = source
    self.options = options
    self.prefix = prefix
    self.places = places
  }

  /// The tensor of a name without prefix, nil where there is none.
  subscript(name: String) -> SourceTensor? {
    places[ByteString(prefix + name)].map { source.tensors[$0] }
  }

  /// Whether there is a tensor of that name without prefix.
  func has(_ name: String) -> Bool { self[name] != nil }

  /// The extents of a tensor, without leading extents of 1 beyond `rank`.
  ///
  /// Throws `badData` where the tensor is absent or of another rank.
  func shape(of name: String, rank: Int) throws(DeclipError) -> [Int] {
    guard let tensor = self[name] else {
      throw DeclipError(
        .badData, "is missing, and the size of the model cannot be told without it",
        place: "tensor \(quoted(prefix + name))")
    }
    guard let shape = withoutLeadingOnes(tensor.shape, rank: rank) else {
      throw DeclipError(
        .badData, "has the shape \(tensor.shape)", place: "tensor \(quoted(tensor.name))",
        expected: "\(rank) extents")
    }
    return shape
  }

  /// One more than the highest `N` of names that begin with `stem` and `N.`; 0 without any.
  func blockCount(_ stem: String) -> Int {
    let start = Array((prefix + stem).utf8)
    var count = 0
    for tensor in source.tensors where tensor.name.utf8.starts(with: start) {
      let digits = tensor.name.utf8.dropFirst(start.count).prefix { $0 != UInt8(ascii: ".") }
      // Six digits are more blocks than any architecture may have; the rest is surplus.
      guard (1...6).contains(digits.count), let index = Int(String(Substring(digits))) else {
        continue
      }
      count = max(count, index + 1)
    }
    return count
  }

  /// The square grid of patches that a position table `[1 + patches, width]` was trained on.
  ///
  /// Throws `badData` where the patches form no square.
  func nativeGrid(_ name: String) throws(DeclipError) -> Grid {
    let positions = try shape(of: name, rank: 2)[0]
    guard positions > 1, let side = squareRoot(of: positions - 1) else {
      throw DeclipError(
        .badData, "has \(positions) positions", place: "tensor \(quoted(prefix + name))",
        expected: "one for the class token and a square number for a square grid of patches",
        remedy: "resize the table to a square grid before converting")
    }
    return Grid(rows: side, columns: side)
  }

  /// The logit scale: the exponential of the one element of a tensor, 100 with a note without it.
  func logitScale(_ name: String, notes: inout ImportNotes) throws(DeclipError) -> Float {
    guard let stored = self[name] else {
      notes.warnings.append("the file has no logit scale; assumed 100, that of released models")
      return 100
    }
    guard let value = stored.tensor.flatMap(singleElement) else {
      throw DeclipError(
        .badData, "has the shape \(stored.shape) and type \(stored.elementType)",
        place: "tensor \(quoted(stored.name))", expected: "one floating-point number")
    }
    return naturalExponential(value)
  }
}

/// A shape without leading extents of 1 beyond `rank`; nil where another extent is too many.
func withoutLeadingOnes(_ shape: [Int], rank: Int) -> [Int]? {
  let surplus = shape.count - rank
  guard surplus >= 0, shape.prefix(surplus).allSatisfy({ $0 == 1 }) else { return nil }
  return Array(shape.dropFirst(surplus))
}
