import Files

@testable import Importers
@testable import Model

/// The bytes of a safetensors file with any header, true or not.
func safetensors(header: String, dataCount: Int) -> [UInt8] {
  safetensors(header: header, data: (0..<dataCount).map { UInt8(truncatingIfNeeded: $0) })
}

/// The bytes of a safetensors file with any header, true or not.
func safetensors(header: String, data: [UInt8]) -> [UInt8] {
  let text = Array(header.utf8)
  return littleEndian(UInt64(text.count)) + text + data
}

/// The bytes of a safetensors file that holds `tensors`, with a true header.
func safetensors(_ tensors: [SourceTensor], metadata: String = "") -> [UInt8] {
  var fields = metadata.isEmpty ? [] : ["\"__metadata__\":\(metadata)"]
  var data: [UInt8] = []
  for tensor in tensors {
    let start = data.count
    data += tensor.bytes.array
    fields.append(
      "\"\(tensor.name)\":{\"dtype\":\"\(tensor.elementType)\",\"shape\":\(tensor.shape),"
        + "\"data_offsets\":[\(start),\(data.count)]}")
  }
  return safetensors(header: "{\(fields.joined(separator: ","))}", data: data)
}

/// The bytes of a number, lowest first.
func littleEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
  (0..<Number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> Number($0 * 8)) }
}

extension SourceTensor {
  /// The tensor under another name, or with other extents.
  func with(name: String? = nil, shape: [Int]? = nil) -> SourceTensor {
    SourceTensor(
      name: name ?? self.name, elementType: elementType, dataType: dataType,
      shape: shape ?? self.shape, bytes: bytes)
  }

  /// A float32 tensor of distinct numbers.
  static func float32(_ name: String, _ shape: [Int], from start: Int = 0) -> SourceTensor {
    let bytes = (0..<shape.reduce(1, *)).flatMap { littleEndian(Float(start + $0).bitPattern) }
    return SourceTensor(
      name: name, elementType: "F32", dataType: .float32, shape: shape, bytes: ByteView(bytes))
  }
}

extension CheckpointSource {
  /// A source that lies in no file.
  init(_ tensors: [SourceTensor]) {
    self.init(
      path: "/nowhere/model.safetensors", format: "safetensors", files: [], tensors: tensors,
      metadata: [:], budget: MemoryBudget(fileSize: tensors.reduce(0) { $0 + $1.bytes.count }))
  }
}
