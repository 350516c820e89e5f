import CZlib
import Model

/// The largest text that `inflateGzip` returns; CLIP's own has 3 MB.
private let largestInflatedCount = 64 << 20

/// Inflates a gzip file of one member.
///
/// Throws `badData` for damage, which the format's checksum tells, and for more than 64 MB.
func inflateGzip(_ bytes: ByteView) throws(DeclipError) -> ByteView {
  var stream = z_stream()
  // 16 asks for the gzip wrapper, 15 is the largest window.
  let started = inflateInit2_(
    &stream, 16 + 15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
  guard started == Z_OK else { throw DeclipError(.internal, "zlib cannot be started") }
  defer { inflateEnd(&stream) }
  guard bytes.count <= largestInflatedCount else {
    throw DeclipError(
      .badData, "a gzip file of \(bytes.count) bytes",
      expected: "at most \(largestInflatedCount)")
  }
  var result: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 18)
  let status = bytes.withUnsafeBytes { source in
    // zlib reads through this pointer but never writes.
    stream.next_in = UnsafeMutablePointer(
      mutating: source.bindMemory(to: UInt8.self).baseAddress)
    stream.avail_in = UInt32(source.count)
    return inflate(&stream, in: &chunk, to: &result)
  }
  guard result.count <= largestInflatedCount else {
    throw DeclipError(
      .badData, "inflates to more than \(largestInflatedCount) bytes",
      expected: "a tokenizer's vocabulary")
  }
  guard status == Z_STREAM_END else {
    throw DeclipError(
      .badData, "the gzip data are damaged or truncated", offset: UInt64(stream.total_in),
      remedy: "fetch the file again")
  }
  return ByteView(result)
}

/// Inflates to the end of the stream, to an error, or beyond the limit.
private func inflate(
  _ stream: inout z_stream, in chunk: inout [UInt8], to result: inout [UInt8]
) -> Int32 {
  chunk.withUnsafeMutableBufferPointer { buffer in
    var status = Z_OK
    while status == Z_OK, result.count <= largestInflatedCount {
      stream.next_out = buffer.baseAddress
      stream.avail_out = UInt32(buffer.count)
      status = CZlib.inflate(&stream, Z_NO_FLUSH)
      result += buffer.prefix(buffer.count - Int(stream.avail_out))
    }
    return status
  }
}
