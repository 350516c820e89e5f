import Model

/// The state dict inside whatever a checkpoint holds, and the plain facts beside it.
struct TorchStateDict {
  /// The tensors in the order of the dictionary, names distinct byte by byte.
  let tensors: [(name: String, tensor: TorchTensor)]
  /// Numbers and short texts that lie beside the state dict.
  let metadata: [String: String]

  /// Where training scripts put state dicts, in the order of preference between equals.
  private static let usualKeys = [
    "state_dict", "model_state_dict", "model", "module", "state_dict_ema", "model_ema", "ema",
    "ema_state_dict",
  ]
  private static let longestMetadata = 200
  private static let mostMetadata = 64

  /// Chooses the dictionary with the most tensors: the pickle itself, or one of its values that
  /// has a usual name. Everything else is left alone.
  init(_ pickle: Pickle) throws(DeclipError) {
    guard let items = pickle.dictionary(pickle.root) else {
      throw DeclipError(
        .badData, "holds \(pickle.object(pickle.root)?.described ?? "a scalar")",
        expected: "a dictionary of tensors", remedy: Self.remedy)
    }
    var best = Self.tensors(of: items, in: pickle)
    for key in Self.usualKeys {
      // As in Python, the last of equal keys counts.
      let item = items.last { pickle.text($0.key) == key }
      guard let item, let inner = pickle.dictionary(item.value) else { continue }
      let candidate = Self.tensors(of: inner, in: pickle)
      if candidate.count > best.count { best = candidate }
    }
    guard !best.isEmpty else {
      let keys = items.lazy.compactMap { pickle.text($0.key) }.prefix(8)
      throw DeclipError(
        .badData,
        "holds no tensors"
          + (keys.isEmpty
            ? "" : " under " + keys.map { quoted($0, limit: 40) }.joined(separator: ", ")),
        expected: "a dictionary of tensors, or one under "
          + Self.usualKeys.prefix(4).map { quoted($0) }.joined(separator: ", "),
        remedy: Self.remedy)
    }
    var names: Set<ByteString> = []
    for (name, _) in best where !names.insert(ByteString(name)).inserted {
      throw DeclipError(.badData, "is there twice", place: "tensor \(quoted(name))")
    }
    tensors = best
    metadata = Self.metadata(of: items, in: pickle)
  }

  private static let remedy = "save the weights with torch.save(model.state_dict(), path)"

  private static func tensors(
    of items: [(key: PickleValue, value: PickleValue)], in pickle: Pickle
  ) -> [(name: String, tensor: TorchTensor)] {
    items.compactMap { item in
      guard let name = pickle.text(item.key), let tensor = pickle.tensor(item.value) else {
        return nil
      }
      return (name, tensor)
    }
  }

  private static func metadata(
    of items: [(key: PickleValue, value: PickleValue)], in pickle: Pickle
  ) -> [String: String] {
    var metadata: [String: String] = [:]
    for item in items where metadata.count < mostMetadata {
      guard let key = pickle.text(item.key), key.utf8.count <= longestMetadata else { continue }
      switch item.value {
      case .bool(let bool): metadata[key] = "\(bool)"
      case .integer(let integer): metadata[key] = "\(integer)"
      case .number(let number): metadata[key] = "\(number)"
      default:
        guard let text = pickle.text(item.value), text.utf8.count <= longestMetadata else {
          continue
        }
        metadata[key] = text
      }
    }
    return metadata
  }
}
