import Files
import Model

/// A value in a pickle: a scalar, or a place among the pickle's objects.
///
/// Objects refer to each other by number and not by reference, so neither cycles nor any depth of
/// nesting can trouble this process.
enum PickleValue: Equatable {
  case none
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case global(PickleGlobal)
  /// The object of that number.
  case object(Int)
}

/// What a pickle holds beside scalars.
enum PickleObject {
  case text(String)
  case tuple([PickleValue])
  case list(PickleItems<PickleValue>)
  /// The items in the order they were set, keys possibly more than once.
  case dictionary(PickleItems<(key: PickleValue, value: PickleValue)>)
  case storage(TorchStorage)
  case tensor(TorchTensor)
  /// Anything this reader has no use for: its content is not kept.
  case ignored

  /// The object for errors.
  var described: String {
    switch self {
    case .text: "a text"
    case .tuple: "a tuple"
    case .list: "a list"
    case .dictionary: "a dictionary"
    case .storage: "a storage"
    case .tensor: "a tensor"
    case .ignored: "another object"
    }
  }
}

/// What a list or a dictionary holds; a class, so that it grows in place and never by a copy.
final class PickleItems<Element> {
  private(set) var elements: [Element] = []

  init(_ elements: [Element] = []) { self.elements = elements }

  func append(_ element: Element) { elements.append(element) }
}

/// The data that a pickle stands for. Nothing that it asks for is ever executed.
struct Pickle {
  /// The longest pickle that is read; those of checkpoints take some 200 bytes a tensor.
  static let largestLength = 32 << 20

  /// The value of the whole pickle.
  let root: PickleValue
  private let objects: [PickleObject]

  /// Reads a whole pickle that starts at `fileOffset` of its file; throws `badData` for one that
  /// is damaged, that needs anything beyond data, which is then named, or that needs more than
  /// `budget` allows.
  init(_ bytes: ByteView, fileOffset: UInt64, budget: MemoryBudget) throws(DeclipError) {
    guard bytes.count <= Self.largestLength else {
      throw DeclipError(
        .badData, "\(bytes.count) bytes exceed the limit", place: "pickle", offset: fileOffset,
        expected: "at most \(Self.largestLength)")
    }
    var machine = try PickleMachine(bytes, fileOffset: fileOffset, budget: budget)
    root = try machine.run()
    objects = machine.objects
  }

  /// The object that a value stands for, nil for a scalar.
  func object(_ value: PickleValue) -> PickleObject? {
    guard case .object(let index) = value else { return nil }
    return objects[index]
  }

  /// The text that a value stands for, nil for any other value.
  func text(_ value: PickleValue) -> String? {
    guard case .text(let text) = object(value) else { return nil }
    return text
  }

  /// The items of a dictionary, nil for any other value.
  func dictionary(_ value: PickleValue) -> [(key: PickleValue, value: PickleValue)]? {
    guard case .dictionary(let items) = object(value) else { return nil }
    return items.elements
  }

  /// The tensor that a value stands for, nil for any other value.
  func tensor(_ value: PickleValue) -> TorchTensor? {
    guard case .tensor(let tensor) = object(value) else { return nil }
    return tensor
  }
}

/// The elements behind one or several tensors, an entry of the archive.
struct TorchStorage {
  /// The last part of the entry's name.
  let key: String
  /// The element type; nil for one that only its tensors tell.
  let element: TorchElement?
  /// The number of elements; of bytes without an element type.
  let count: Int
}

/// A tensor as a pickle describes it: a strided view of a storage, not yet checked.
final class TorchTensor: Sendable {
  let storage: TorchStorage
  let element: TorchElement
  /// The first element in the storage.
  let offset: Int
  let shape: [Int]
  /// Elements from one index to the next, for each extent.
  let strides: [Int]

  init(
    storage: TorchStorage, element: TorchElement, offset: Int, shape: [Int], strides: [Int]
  ) {
    self.storage = storage
    self.element = element
    self.offset = offset
    self.shape = shape
    self.strides = strides
  }
}
