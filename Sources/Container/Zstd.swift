import CZstd
import Model

/// A zstd compression context, for one thread at a time.
final class ZstdCompressor {
  private let context: OpaquePointer
  private let frame = Scratch()

  init(level: Int) throws(DeclipError) {
    guard let context = ZSTD_createCCtx() else {
      throw DeclipError(.internal, "zstd cannot be started")
    }
    self.context = context
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(clamping: level))
  }

  /// `source` as one zstd frame that declares its content's size.
  ///
  /// A new zstd block starts with each of `parts`, their lengths: planes have statistics of their own,
  /// and a block that two of them share compresses neither well.
  func compress(
    _ source: UnsafeRawBufferPointer, parts: [Int]
  ) throws(DeclipError) -> ByteView {
    // Every part may add a block header and the bytes that end a block.
    let target = frame.bytes(ZSTD_compressBound(source.count) + 64 * parts.count)
    var output = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
    if let failure = compress(source, parts, into: &output) {
      throw DeclipError(.internal, "zstd: \(failure)")
    }
    return ByteView(count: output.pos) {
      $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: target.prefix(output.pos)))
    }
  }

  /// Fills `output`; what went wrong, or nil.
  private func compress(
    _ source: UnsafeRawBufferPointer, _ parts: [Int], into output: inout ZSTD_outBuffer
  ) -> String? {
    ZSTD_CCtx_reset(context, ZSTD_reset_session_only)
    ZSTD_CCtx_setPledgedSrcSize(context, UInt64(source.count))
    var input = ZSTD_inBuffer(src: source.baseAddress, size: 0, pos: 0)
    for (index, length) in parts.enumerated() {
      input.size += length
      let isLast = index == parts.count - 1
      var rest = 1
      while rest != 0 {
        guard output.pos < output.size else { return "the output is too long" }
        rest = ZSTD_compressStream2(
          context, &output, &input, isLast ? ZSTD_e_end : ZSTD_e_flush)
        if ZSTD_isError(rest) != 0 { return String(cString: ZSTD_getErrorName(rest)) }
      }
    }
    return nil
  }

  deinit { ZSTD_freeCCtx(context) }
}

/// A zstd decompression context, for one thread at a time.
final class ZstdDecompressor {
  private let context: OpaquePointer

  init() throws(DeclipError) {
    guard let context = ZSTD_createDCtx() else {
      throw DeclipError(.internal, "zstd cannot be started")
    }
    self.context = context
  }

  /// Fills `target` with the content of `source`, which must be exactly one zstd frame whose
  /// content has exactly that size. Throws `badData`; never writes outside `target`.
  func decompress(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) throws(DeclipError) {
    let declared = ZSTD_getFrameContentSize(source.baseAddress, source.count)
    guard declared == UInt64(target.count) else {
      throw DeclipError(
        .badData, "its zstd frame declares another size", expected: "\(target.count) bytes")
    }
    guard ZSTD_findFrameCompressedSize(source.baseAddress, source.count) == source.count else {
      throw DeclipError(.badData, "is not exactly one zstd frame")
    }
    let result = ZSTD_decompressDCtx(
      context, target.baseAddress, target.count, source.baseAddress, source.count)
    guard ZSTD_isError(result) == 0, result == target.count else {
      throw DeclipError(.badData, "its zstd frame is damaged")
    }
  }

  deinit { ZSTD_freeDCtx(context) }
}
