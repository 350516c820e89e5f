import Files
import Model

/// Reads tensors from the entries of an archive: contiguous ones as views, others as copies.
struct TorchTensorReader {
  private let archive: ZipArchive
  private let prefix: String
  private var storages: [ByteString: ByteView] = [:]
  /// Pays for copies. A view may repeat elements, so that a few bytes could ask for any amount.
  private let budget: MemoryBudget

  /// A reader of the archive's entries below `prefix`, which ends in a slash.
  init(_ archive: ZipArchive, prefix: String, budget: MemoryBudget) {
    self.archive = archive
    self.prefix = prefix
    self.budget = budget
  }

  /// The tensor of that name, checked against the storage that is there.
  mutating func read(_ tensor: TorchTensor, name: String) throws(DeclipError) -> SourceTensor {
    let bytes: ByteView
    do {
      bytes = try self.bytes(of: tensor)
    } catch {
      var error = error
      error.place = error.place ?? "tensor \(quoted(name))"
      throw error
    }
    return SourceTensor(
      name: name, elementType: tensor.element.rawValue, dataType: tensor.element.dataType,
      shape: tensor.shape, bytes: bytes)
  }

  private mutating func bytes(of tensor: TorchTensor) throws(DeclipError) -> ByteView {
    let storage = try storage(tensor.storage)
    let layout = try StridedLayout(tensor, storageCount: storage.count)
    if layout.isContiguous {
      let offset = UInt64(tensor.offset * tensor.element.byteWidth)
      guard let view = storage.slice(offset: offset, length: UInt64(layout.byteCount)) else {
        throw DeclipError(.internal, "lies outside its storage")
      }
      return view
    }
    do {
      try budget.take(layout.byteCount)
    } catch {
      throw DeclipError(
        .badData,
        "\(tensor.element.rawValue) \(tensor.shape) is far larger than what the file holds",
        remedy: "call contiguous() on expanded tensors before saving")
    }
    return layout.gather(from: storage)
  }

  /// The content of a storage's entry.
  private mutating func storage(_ storage: TorchStorage) throws(DeclipError) -> ByteView {
    let name = prefix + "data/" + storage.key
    let bytes: ByteView
    if let known = storages[ByteString(name)] {
      bytes = known
    } else {
      guard let entry = archive[name] else {
        throw DeclipError(.badData, "its storage \(quoted(name)) is not in the archive")
      }
      bytes = try archive.checkedContent(of: entry)
      storages[ByteString(name)] = bytes
    }
    let width = storage.element?.byteWidth ?? 1
    guard storage.count.multipliedReportingOverflow(by: width) == (bytes.count, false) else {
      throw DeclipError(
        .badData, "its storage \(quoted(name)) holds \(bytes.count) bytes",
        expected: "\(storage.count) elements of \(width) bytes")
    }
    return bytes
  }
}

/// How a tensor's elements lie in its storage, checked to be all inside.
struct StridedLayout {
  /// The bytes of all elements.
  let byteCount: Int
  /// Whether the elements lie one after the other in row-major order.
  var isContiguous: Bool { outerShape.isEmpty }
  /// Extents and strides in bytes of the outer dimensions, inside of which all is contiguous.
  private let outerShape: [Int]
  private let outerStrides: [Int]
  /// The bytes of one contiguous run.
  private let runLength: Int
  /// The first byte.
  private let start: Int

  /// Checks a tensor against a storage of `storageCount` bytes.
  init(_ tensor: TorchTensor, storageCount: Int) throws(DeclipError) {
    let width = tensor.element.byteWidth
    guard tensor.shape.count == tensor.strides.count, tensor.offset >= 0,
      tensor.shape.allSatisfy({ $0 >= 0 }), tensor.strides.allSatisfy({ $0 >= 0 })
    else {
      throw DeclipError(
        .badData,
        "has the shape \(tensor.shape), strides \(tensor.strides) and offset"
          + " \(tensor.offset)",
        expected: "as many strides as extents, none negative")
    }
    let isEmpty = tensor.shape.contains(0)
    guard let size = Self.product(tensor.shape, width),
      let last = isEmpty ? tensor.offset : Self.lastElement(of: tensor),
      case let (end, overflow) = last.multipliedReportingOverflow(by: width), !overflow,
      end <= storageCount - (isEmpty ? 0 : width)
    else {
      throw DeclipError(
        .badData,
        "\(tensor.element.rawValue) \(tensor.shape) with strides \(tensor.strides) at"
          + " offset \(tensor.offset) lies outside its storage",
        expected: "at most \(storageCount / width) elements")
    }
    byteCount = size
    start = tensor.offset * width
    var runCount = 1
    var outer = isEmpty ? 0 : tensor.shape.count
    while outer > 0, tensor.shape[outer - 1] == 1 || tensor.strides[outer - 1] == runCount {
      outer -= 1
      // Cannot overflow: it divides the size.
      runCount *= tensor.shape[outer]
    }
    outerShape = Array(tensor.shape[..<outer])
    // An extent of 1 has a stride that nothing is ever multiplied by.
    outerStrides = zip(outerShape, tensor.strides).map { $0 == 1 ? 0 : $1 * width }
    runLength = runCount * width
  }

  private static func product(_ shape: [Int], _ width: Int) -> Int? {
    if shape.contains(0) { return 0 }
    var size = width
    for extent in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: extent)
      guard !overflow else { return nil }
      size = product
    }
    return size
  }

  /// The highest element that a tensor without extents of 0 reaches; nil on overflow.
  private static func lastElement(of tensor: TorchTensor) -> Int? {
    var last = tensor.offset
    for (extent, stride) in zip(tensor.shape, tensor.strides) {
      let (distance, overflow) = (extent - 1).multipliedReportingOverflow(by: stride)
      guard !overflow, case let (sum, false) = last.addingReportingOverflow(distance) else {
        return nil
      }
      last = sum
    }
    return last
  }

  /// Copies the elements in row-major order.
  func gather(from storage: ByteView) -> ByteView {
    ByteView(count: byteCount) { target in
      storage.withUnsafeBytes { source in copyRuns(from: source, to: target) }
    }
  }

  private func copyRuns(
    from source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer
  ) {
    var index = [Int](repeating: 0, count: outerShape.count)
    var offset = start
    for place in stride(from: 0, to: byteCount, by: runLength) {
      let run = UnsafeRawBufferPointer(rebasing: source[offset..<offset + runLength])
      UnsafeMutableRawBufferPointer(rebasing: target[place..<place + runLength])
        .copyMemory(from: run)
      // Count up like an odometer, the innermost extent fastest.
      var dimension = outerShape.count - 1
      while dimension >= 0 {
        index[dimension] += 1
        offset += outerStrides[dimension]
        if index[dimension] < outerShape[dimension] { break }
        offset -= outerShape[dimension] * outerStrides[dimension]
        index[dimension] = 0
        dimension -= 1
      }
    }
  }
}
