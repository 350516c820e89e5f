/// The functions and classes that a checkpoint may name. Everything else is refused by name.
///
/// None of them is ever called: each stands for what its result means to this reader.
enum PickleGlobal: Hashable {
  /// `collections.OrderedDict` and `collections.defaultdict`, which are read as dictionaries.
  case dictionary
  /// `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`.
  case rebuildTensor
  /// `torch._utils._rebuild_tensor_v3`, whose storage has no element type.
  case rebuildTypedTensor
  /// `torch._utils._rebuild_parameter` and `_rebuild_parameter_with_state`.
  case rebuildParameter
  /// `torch._tensor._rebuild_from_type_v2`, a tensor with attributes.
  case rebuildFromType
  /// A storage class; no element for `torch.storage.UntypedStorage`.
  case storage(TorchElement?)
  /// An element type such as `torch.float32`.
  case element(TorchElement)
  /// `torch.Size`, a tuple.
  case size
  /// Data that this reader has no use for, such as paths and random number generators' states.
  case ignored

  /// What a name means; nil for everything that is not data.
  init?(module: String, name: String) {
    if module == "torch" {
      if let element = TorchElement(storageClass: name) {
        self = .storage(element)
        return
      }
      if let element = TorchElement(rawValue: name) {
        self = .element(element)
        return
      }
    }
    guard let known = Self.known[module + " " + name] else { return nil }
    self = known
  }

  private static let known: [String: PickleGlobal] = {
    var known: [String: PickleGlobal] = [
      "collections OrderedDict": .dictionary,
      "collections defaultdict": .dictionary,
      "torch._utils _rebuild_tensor": .rebuildTensor,
      "torch._utils _rebuild_tensor_v2": .rebuildTensor,
      "torch._utils _rebuild_tensor_v3": .rebuildTypedTensor,
      "torch._utils _rebuild_parameter": .rebuildParameter,
      "torch._utils _rebuild_parameter_with_state": .rebuildParameter,
      "torch._tensor _rebuild_from_type_v2": .rebuildFromType,
      "torch.storage UntypedStorage": .storage(nil),
      "torch Size": .size,
    ]
    for name in ignoredNames { known[name] = .ignored }
    for module in ["builtins", "__builtin__"] {
      for name in ignoredBuiltins { known[module + " " + name] = .ignored }
    }
    for module in ["numpy.core.multiarray", "numpy._core.multiarray"] {
      for name in ["scalar", "_reconstruct"] { known[module + " " + name] = .ignored }
    }
    for module in ["numpy.core.numeric", "numpy._core.numeric"] {
      known[module + " _frombuffer"] = .ignored
    }
    for module in ["pathlib", "pathlib._local"] {
      for name in ignoredPaths { known[module + " " + name] = .ignored }
    }
    return known
  }()

  private static let ignoredNames = [
    "torch Tensor", "torch.nn.parameter Parameter", "torch device", "torch.storage TypedStorage",
    "argparse Namespace", "collections Counter", "numpy dtype", "numpy ndarray", "_codecs encode",
  ]

  private static let ignoredBuiltins = [
    "set", "frozenset", "complex", "bytearray", "list", "dict", "tuple", "int", "long", "float",
    "bool", "str", "bytes",
  ]

  private static let ignoredPaths = [
    "Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath",
  ]
}
