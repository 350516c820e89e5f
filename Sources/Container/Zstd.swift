import CZstd
import Model

/// A zstd compression context, for one thread at a time.
final class ZstdCompressor {
  private let context: OpaquePointer

  init(level: Int) throws(DeclipError) {
    guard let context = ZSTD_createCCtx() else {
      throw DeclipError(.internal, "zstd cannot be started")
    }
    self.context = context
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(clamping: level))
  }

  /// `source` as one zstd frame that declares its content's size.
  func compress(_ source: UnsafeRawBufferPointer) throws(DeclipError) -> [UInt8] {
    let capacity = ZSTD_compressBound(source.count)
    var result = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { target, count in
      result = ZSTD_compress2(
        context, target.baseAddress, capacity, source.baseAddress, source.count)
      count = ZSTD_isError(result) == 0 ? result : 0
    }
    guard ZSTD_isError(result) == 0 else {
      throw DeclipError(.internal, "zstd: \(String(cString: ZSTD_getErrorName(result)))")
    }
    return bytes
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
