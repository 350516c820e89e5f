import CKernels
import Model

/// A frame ready to be written.
struct EncodedFrame: Sendable {
  let bytes: ByteView
  let checksum: UInt64
}

/// Turns elements of a tensor into frames: conversion, planes, zstd. For one thread at a time.
final class FrameEncoder {
  private let compressor: ZstdCompressor?
  private let planes = Scratch()
  private var floats: [Float] = []

  init(_ compression: ContainerOptions.Compression) throws(DeclipError) {
    compressor =
      switch compression {
      case .zstd(let level): try ZstdCompressor(level: level)
      case .none: nil
      }
  }

  /// Encodes `elements` of type `source` as a frame of type `stored`, with a transform that suits it.
  ///
  /// Throws `badData` where a finite value does not fit the stored type: a model must not become
  /// infinite in silence.
  func encode(
    _ elements: ByteView, from source: DataType, to stored: DataType,
    _ transform: TensorEntry.Transform
  ) throws(DeclipError) -> EncodedFrame {
    let content = try source == stored ? elements : convert(elements, source, stored)
    guard let compressor else {
      return EncodedFrame(bytes: content, checksum: Checksum.of(content))
    }
    let bytes = try content.withUnsafeBytes { content throws(DeclipError) in
      let (planes, parts) = split(content, stored, transform)
      return try compressor.compress(planes, parts: parts)
    }
    return EncodedFrame(bytes: bytes, checksum: Checksum.of(bytes))
  }

  /// The planes of `content`, in scratch memory, and the bytes of each.
  private func split(
    _ content: UnsafeRawBufferPointer, _ type: DataType, _ transform: TensorEntry.Transform
  ) -> (UnsafeRawBufferPointer, parts: [Int]) {
    guard transform != .none else { return (content, [content.count]) }
    let target = planes.bytes(transform.contentLength(of: content.count))
    guard let bits = transform.planeBits else {
      let count = content.count / type.byteWidth
      declip_planes_split(content.baseAddress, target.baseAddress, count, type.byteWidth)
      return (UnsafeRawBufferPointer(target), .init(repeating: count, count: type.byteWidth))
    }
    declip_bits_split(content.baseAddress, target.baseAddress, content.count, bits)
    return (UnsafeRawBufferPointer(target), [2, bits - 6, 4].map { content.count / 8 * $0 })
  }

  private func convert(
    _ elements: ByteView, _ source: DataType, _ stored: DataType
  ) throws(DeclipError) -> ByteView {
    let count = elements.count / source.byteWidth
    if floats.count < count { floats = [Float](repeating: 0, count: count) }
    return try floats.withUnsafeMutableBufferPointer { floats throws(DeclipError) in
      try elements.withUnsafeBytes { bytes throws(DeclipError) in
        guard let base = bytes.baseAddress, let floats = floats.baseAddress else { return elements }
        let beyond =
          source == .float64
          ? declip_f64_count_beyond(base, count, 0x1.ffffffp127) : 0
        try FloatConversion.widen(
          bytes, source, UnsafeMutableBufferPointer(start: floats, count: count))
        try FrameEncoder.requireInRange(
          beyond + declip_f32_count_beyond(floats, count, stored.overflowLimit), stored)
        return ByteView(count: count * stored.byteWidth) { target in
          switch stored {
          case .float16: declip_f32_to_f16(floats, target.baseAddress, count)
          case .bfloat16: declip_f32_to_bf16(floats, target.baseAddress, count)
          default: target.copyMemory(from: UnsafeRawBufferPointer(start: floats, count: count * 4))
          }
        }
      }
    }
  }

  private static func requireInRange(_ beyond: Int, _ stored: DataType) throws(DeclipError) {
    guard beyond == 0 else {
      let remedy: String? =
        switch stored {
        case .float16: "store the model as bf16 or f32"
        case .bfloat16: "store the model as f32"
        default: nil
        }
      throw DeclipError(
        .badData, "holds values too large for \(stored.rawValue)", remedy: remedy)
    }
  }
}

extension DataType {
  /// The smallest float32 magnitude that rounds to infinity in this type.
  fileprivate var overflowLimit: Float {
    switch self {
    case .float16: 65520
    case .bfloat16: 0x1.FFp127
    default: .infinity
    }
  }
}
