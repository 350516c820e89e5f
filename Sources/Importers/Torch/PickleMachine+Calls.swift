import Model

/// What stands for calls of functions and classes.
extension PickleMachine {
  /// The most extents of a tensor; PyTorch itself has this limit.
  private static let largestRank = 64

  /// The meaning of a global; throws `badData` with its name for all that is not data.
  func global(module: String, name: String) throws(DeclipError) -> PickleGlobal {
    guard let global = PickleGlobal(module: module, name: name) else {
      throw problem(
        "needs \(quoted(module + "." + name, limit: 100)), which is not data",
        expected: "tensors in plain dictionaries",
        remedy: "save the weights alone with torch.save(model.state_dict(), path) or with"
          + " safetensors.torch.save_file")
    }
    return global
  }

  mutating func pushStackGlobal() throws(DeclipError) {
    let (name, module) = (try pop(), try pop())
    guard case .text(let name) = object(name), case .text(let module) = object(module) else {
      throw problem("names a global by something that is no text")
    }
    push(.global(try global(module: module, name: name)))
  }

  /// Calls the topmost value with the arguments and replaces it by the result.
  mutating func call(_ arguments: PickleValue) throws(DeclipError) {
    let function = try pop()
    guard case .global(let global) = function else {
      throw problem("calls something that is no function")
    }
    guard case .tuple(let arguments) = object(arguments) else {
      throw problem("calls a function with something that is no tuple")
    }
    try call(global, arguments)
  }

  private mutating func call(
    _ global: PickleGlobal, _ arguments: [PickleValue]
  ) throws(DeclipError) {
    switch global {
    case .ignored: push(.ignored)
    case .dictionary:
      // The arguments of a defaultdict are its factory; an OrderedDict has none.
      guard arguments.count <= 1, arguments.allSatisfy({ object($0) == nil }) else {
        throw problem(
          "makes a dictionary from arguments", expected: "items that are set one by one")
      }
      push(.dictionary(PickleItems()))
    case .size:
      guard arguments.count == 1, let argument = arguments.first, extents(argument) != nil else {
        throw problem("makes a torch.Size from something else than a tuple")
      }
      push(argument)
    case .rebuildTensor: push(.tensor(try tensor(arguments, typeAt: nil)))
    case .rebuildTypedTensor: push(.tensor(try tensor(arguments, typeAt: 6)))
    case .rebuildParameter:
      guard let argument = arguments.first, case .tensor = object(argument) else {
        throw problem("makes a parameter from something else than a tensor")
      }
      push(argument)
    case .rebuildFromType: try callInner(arguments)
    case .storage, .element: throw problem("calls an element type or a storage")
    }
  }

  /// `_rebuild_from_type_v2(function, type, arguments, state)`.
  private mutating func callInner(_ arguments: [PickleValue]) throws(DeclipError) {
    guard arguments.count == 4, case .global(let function) = arguments[0],
      [.rebuildTensor, .rebuildTypedTensor, .rebuildParameter].contains(function),
      case .global(.ignored) = arguments[1], case .tuple(let inner) = object(arguments[2])
    else { throw problem("makes a tensor with attributes from something else than a tensor") }
    try call(function, inner)
  }

  /// An object with keyword arguments is kept only where it is ignored anyway.
  mutating func callWithKeywords() throws(DeclipError) {
    let (_, arguments, function) = (try pop(), try pop(), try pop())
    guard case .global(.ignored) = function, case .tuple = object(arguments) else {
      throw problem("calls a function with keywords")
    }
    push(.ignored)
  }

  /// Attributes are kept of nothing; OrderedDicts of PyTorch have `_metadata`.
  mutating func build() throws(DeclipError) {
    _ = try pop()
    switch object(try top()) {
    case .dictionary, .ignored, .tensor: break
    default: throw problem("sets attributes of a value that has none")
    }
  }

  /// The storage that a persistent id `('storage', class, key, location, count)` stands for.
  mutating func pushStorage(_ identifier: PickleValue) throws(DeclipError) {
    guard case .tuple(let parts) = object(identifier), parts.count == 5,
      case .text("storage") = object(parts[0]), case .global(.storage(let element)) = parts[1],
      case .text(let key) = object(parts[2]), case .integer(let count) = parts[4], count >= 0
    else {
      throw problem(
        "a persistent id is no storage", expected: "('storage', class, key, location, count)")
    }
    push(.storage(TorchStorage(key: key, element: element, count: count)))
  }

  /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, metadata)`, with the
  /// element type before the metadata in version 3.
  private func tensor(
    _ arguments: [PickleValue], typeAt: Int?
  ) throws(DeclipError) -> TorchTensor {
    guard arguments.count >= 4, arguments.count > typeAt ?? 0,
      case .storage(let storage) = object(arguments[0]), case .integer(let offset) = arguments[1],
      let shape = extents(arguments[2]), let strides = extents(arguments[3])
    else {
      throw problem(
        "makes a tensor from other arguments", expected: "storage, offset, size and stride")
    }
    var element = storage.element
    if let typeAt, case .global(.element(let type)) = arguments[typeAt] { element = type }
    guard let element else { throw problem("makes a tensor without an element type") }
    for argument in arguments.dropFirst(max(6, typeAt.map { $0 + 1 } ?? 0)) {
      // It says that a tensor is to be negated or conjugated when it is read.
      if case .dictionary(let items) = object(argument), !items.elements.isEmpty {
        throw problem(
          "makes a tensor with a pending operation",
          remedy: "call resolve_neg() and resolve_conj() before saving")
      }
    }
    return TorchTensor(
      storage: storage, element: element, offset: offset, shape: shape, strides: strides)
  }

  private func extents(_ value: PickleValue) -> [Int]? {
    guard case .tuple(let items) = object(value), items.count <= Self.largestRank else {
      return nil
    }
    var extents: [Int] = []
    extents.reserveCapacity(items.count)
    for item in items {
      guard case .integer(let extent) = item else { return nil }
      extents.append(extent)
    }
    return extents
  }
}
