import Model

/// A JSON file of settings beside a checkpoint. Every error names the file and the setting.
struct ConfigFile {
  /// The path of the file.
  let path: String
  /// What it holds.
  let json: JSON

  /// Reads the file `name` beside the checkpoint; nil where there is none.
  static func named(
    _ name: String, beside source: CheckpointSource
  ) throws(DeclipError) -> ConfigFile? {
    let path = Path.join(Path.folder(of: source.path), name)
    guard Path.exists(path) else { return nil }
    return ConfigFile(path: path, json: try JSON.read(path: path))
  }

  /// The name without folder, for sentences.
  var name: String { Path.name(of: path) }

  /// A true or false setting; nil where it is absent, as for all that follow.
  func flag(_ keys: [String]) throws(DeclipError) -> Bool? {
    try value(keys, expected: "true or false", \.bool)
  }

  /// A setting that is text.
  func text(_ keys: [String]) throws(DeclipError) -> String? {
    try value(keys, expected: "a string", \.string)
  }

  /// A count of something, at least 1.
  func count(_ keys: [String]) throws(DeclipError) -> Int? {
    try value(keys, expected: "a positive integer", \.positiveInteger)
  }

  /// A setting that is any number.
  func number(_ keys: [String]) throws(DeclipError) -> Float? {
    try value(keys, expected: "a number", \.double).map { Float($0) }
  }

  /// A setting of one number for each of red, green and blue.
  func colour(_ keys: [String]) throws(DeclipError) -> [Float]? {
    try value(keys, expected: "three numbers") { json in
      let numbers = (json.array ?? []).compactMap(\.double)
      return numbers.count == 3 && json.array?.count == 3 ? numbers.map { Float($0) } : nil
    }
  }

  /// Preprocessing constants under two names; nil where one is absent.
  func preprocessing(mean: [String], deviation: [String]) throws(DeclipError) -> Preprocessing? {
    guard let mean = try colour(mean), let deviation = try colour(deviation) else { return nil }
    return Preprocessing(mean: mean, deviation: deviation)
  }

  /// Throws `badData` where a setting that changes what is computed is there and is not `known`.
  func refuse(_ keys: [String], unless known: String? = nil) throws(DeclipError) {
    guard let member = json.member(keys), member.described != known else { return }
    throw DeclipError(
      .badData, "\(member.described) is not supported", file: path, place: place(keys),
      offset: member.offset, expected: known ?? "no such setting")
  }

  /// Throws `badData` where a recorded size is not that of the tensors: the file then belongs to
  /// another model, and its other settings would silently be wrong.
  func check(_ keys: [String], is size: Int) throws(DeclipError) {
    guard let recorded = try count(keys), recorded != size else { return }
    throw DeclipError(
      .badData, "\(recorded) contradicts the tensors", file: path, place: place(keys),
      offset: json.member(keys)?.offset, expected: "\(size)",
      remedy: "the file belongs to another model; remove it or fetch the right one")
  }

  private func place(_ keys: [String]) -> String { "'\(keys.joined(separator: "."))'" }

  private func value<Result>(
    _ keys: [String], expected: String, _ read: (JSON) -> Result?
  ) throws(DeclipError) -> Result? {
    guard let member = json.member(keys) else { return nil }
    guard let result = read(member) else {
      throw DeclipError(
        .badData, "is \(member.described)", file: path, place: place(keys),
        offset: member.offset, expected: expected)
    }
    return result
  }
}
