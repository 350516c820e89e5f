import CKernels
import Model

/// Checks and decodes frames. For one thread at a time; keeps scratch of two frames at most.
final class FrameDecoder {
  private let decompressor: ZstdDecompressor
  private let stored = Scratch()
  private let joined = Scratch()

  init() throws(DeclipError) {
    decompressor = try ZstdDecompressor()
  }

  /// Writes the tensor's bytes that `frame` of `entry` holds to `target`, which has their number.
  ///
  /// Throws `badData` where the checksum or anything else does not match.
  func decode(
    _ bytes: UnsafeRawBufferPointer, _ frame: TensorEntry.Frame, of entry: TensorEntry,
    into target: UnsafeMutableRawBufferPointer
  ) throws(DeclipError) {
    try FrameDecoder.verify(bytes, frame)
    guard entry.compression == .zstd else { return target.copyMemory(from: bytes) }
    guard entry.transform != .none else {
      return try decompressor.decompress(bytes, into: target)
    }
    let planes = stored.bytes(entry.transform.contentLength(of: frame.decodedLength))
    try decompressor.decompress(bytes, into: planes)
    if let bits = entry.transform.planeBits {
      declip_bits_join(planes.baseAddress, target.baseAddress, target.count, bits)
    } else {
      declip_planes_join(
        planes.baseAddress, target.baseAddress, target.count / entry.dataType.byteWidth,
        entry.dataType.byteWidth)
    }
  }

  /// The same as float32; `target` has room for the frame's elements.
  func decode(
    _ bytes: UnsafeRawBufferPointer, _ frame: TensorEntry.Frame, of entry: TensorEntry,
    asFloat target: UnsafeMutableBufferPointer<Float>
  ) throws(DeclipError) {
    if entry.dataType == .float32 {
      return try decode(bytes, frame, of: entry, into: UnsafeMutableRawBufferPointer(target))
    }
    if entry.compression == .none {
      try FrameDecoder.verify(bytes, frame)
      return try FloatConversion.widen(bytes, entry.dataType, target)
    }
    let elements = joined.bytes(frame.decodedLength)
    try decode(bytes, frame, of: entry, into: elements)
    try FloatConversion.widen(UnsafeRawBufferPointer(elements), entry.dataType, target)
  }

  /// Checks everything about a frame that decoding it would.
  func check(
    _ bytes: UnsafeRawBufferPointer, _ frame: TensorEntry.Frame, of entry: TensorEntry
  ) throws(DeclipError) {
    try FrameDecoder.verify(bytes, frame)
    if entry.compression == .zstd {
      try decompressor.decompress(
        bytes, into: stored.bytes(entry.transform.contentLength(of: frame.decodedLength)))
    }
  }

  static func verify(
    _ bytes: UnsafeRawBufferPointer, _ frame: TensorEntry.Frame
  ) throws(DeclipError) {
    guard Checksum.of(bytes) == frame.checksum else {
      throw DeclipError(.badData, "is damaged: its checksum does not match")
    }
  }
}
