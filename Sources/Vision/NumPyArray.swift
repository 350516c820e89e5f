import Files
import Model

/// An array of floating-point numbers as NumPy stores it in `.npy` files.
///
/// Read: format versions 1.0 and 2.0, little-endian `f2`, `f4`, `f8`, C order. Written: version
/// 1.0, `f4`.
public struct NumPyArray: Hashable, Sendable {
  /// The extents, outermost first; empty for a single number.
  public let shape: [Int]
  /// The elements, row-major.
  public let values: [Float]

  /// An array over `values`; nil where the shape has another number of elements.
  public init?(shape: [Int], values: [Float]) {
    guard let bytes = Tensor.byteCount(of: shape, .float32), bytes / 4 == values.count else {
      return nil
    }
    self.shape = shape
    self.values = values
  }

  /// Reads a `.npy` file; throws `missingInput`, or `badData` where it is no such file, of
  /// another element type or order, or shorter or longer than its header says.
  public init(path: String) throws(DeclipError) {
    let bytes = try ByteView(contentsOf: path)
    do {
      try self.init(file: bytes)
    } catch {
      throw error.inFile(path)
    }
  }

  /// Reads the content of a `.npy` file; throws `badData` as `init(path:)` does.
  public init(file bytes: ByteView) throws(DeclipError) {
    self = try bytes.withUnsafeBytes { bytes throws(DeclipError) in
      let header = try NumPyHeader(bytes)
      guard let count = Tensor.byteCount(of: header.shape, header.dataType),
        count == bytes.count - header.end
      else {
        throw DeclipError(
          .badData, "holds \(bytes.count - header.end) bytes of elements",
          place: "array of shape \(header.shape)", offset: UInt64(header.end),
          expected: Tensor.byteCount(of: header.shape, header.dataType).map { "\($0)" }
            ?? "a shape that fits into memory",
          remedy: "the file is incomplete or damaged; write it again")
      }
      let elements = UnsafeRawBufferPointer(rebasing: bytes[header.end...])
      return NumPyArray(
        shape: header.shape, values: header.dataType.floats(in: elements), isChecked: ())
    }
  }

  private init(shape: [Int], values: [Float], isChecked: ()) {
    self.shape = shape
    self.values = values
  }

  /// The array as the bytes of a `.npy` file.
  public func encoded() -> [UInt8] {
    let extents = shape.map { "\($0)," }.joined(separator: " ")
    // NumPy writes (3,) for one extent and (2, 3) for more.
    let tuple = shape.count > 1 ? String(extents.dropLast()) : extents
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(tuple)), }"
    // Elements start at a multiple of 64; the ten bytes before the header count.
    let padding = 63 - (10 + header.utf8.count) % 64
    header += String(repeating: " ", count: padding) + "\n"
    var bytes = NumPyHeader.magic + [1, 0]
    bytes += [UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8 & 255)]
    bytes += Array(header.utf8)
    bytes.reserveCapacity(bytes.count + 4 * values.count)
    for value in values {
      withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }
    return bytes
  }

  /// Writes the array as a `.npy` file, whole or not at all; throws `cannotCreate`,
  /// `inputOutput`.
  public func write(to path: String) throws(DeclipError) {
    try AtomicFile.write(encoded(), to: path)
  }
}

extension DataType {
  /// Little-endian elements of a floating-point type as numbers.
  fileprivate func floats(in bytes: UnsafeRawBufferPointer) -> [Float] {
    let count = bytes.count / byteWidth
    return [Float](unsafeUninitializedCapacity: count) { target, initialized in
      for index in 0..<count {
        let at = index * byteWidth
        switch self {
        case .float64:
          let bits = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
          target[index] = Float(Double(bitPattern: bits))
        case .float16:
          let bits = UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt16.self))
          target[index] = Float(Float16(bitPattern: bits))
        default:
          let bits = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
          target[index] = Float(bitPattern: bits)
        }
      }
      initialized = count
    }
  }
}
