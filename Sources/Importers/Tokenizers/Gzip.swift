import CZlib
import Model

/// The largest text that `inflateGzip` returns; CLIP's own has 3 MB.
private let largestInflatedCount = 8 << 20

/// Inflates a gzip file of one member.
///
/// Throws `badData` for damage, which the format's checksum tells, and for more than 8 MB.
func inflateGzip(_ bytes: ByteView) throws(DeclipError) -> ByteView {
  guard bytes.count <= largestInflatedCount else {
    throw DeclipError(
      .badData, "a gzip file of \(bytes.count) bytes",
      expected: "at most \(largestInflatedCount)")
  }
  // Twice, first to count: a text that grew as it came would take three times its size.
  var count = 0
  try inflate(bytes) { count += $0.count }
  return try ByteView(count: count) { target throws(DeclipError) in
    var place = 0
    try inflate(bytes) { chunk in
      UnsafeMutableRawBufferPointer(rebasing: target[place..<place + chunk.count])
        .copyMemory(from: chunk)
      place += chunk.count
    }
  }
}

/// Hands the inflated text to `use` in chunks.
private func inflate(
  _ bytes: ByteView, _ use: (UnsafeRawBufferPointer) -> Void
) throws(DeclipError) {
  var stream = z_stream()
  // 16 asks for the gzip wrapper, 15 is the largest window.
  let started = inflateInit2_(
    &stream, 16 + 15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
  guard started == Z_OK else { throw DeclipError(.internal, "zlib cannot be started") }
  defer { inflateEnd(&stream) }
  var chunk = [UInt8](repeating: 0, count: 1 << 18)
  var (status, count) = (Z_OK, 0)
  bytes.withUnsafeBytes { source in
    // zlib reads through this pointer but never writes.
    stream.next_in = UnsafeMutablePointer(
      mutating: source.bindMemory(to: UInt8.self).baseAddress)
    stream.avail_in = UInt32(source.count)
    chunk.withUnsafeMutableBufferPointer { buffer in
      while status == Z_OK, count <= largestInflatedCount {
        stream.next_out = buffer.baseAddress
        stream.avail_out = UInt32(buffer.count)
        status = CZlib.inflate(&stream, Z_NO_FLUSH)
        let part = buffer.prefix(buffer.count - Int(stream.avail_out))
        count += part.count
        if count <= largestInflatedCount {
          use(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: part)))
        }
      }
    }
  }
  guard count <= largestInflatedCount else {
    throw DeclipError(
      .badData, "inflates to more than \(largestInflatedCount) bytes",
      expected: "a tokenizer's vocabulary")
  }
  guard status == Z_STREAM_END else {
    throw DeclipError(
      .badData, "the gzip data are damaged or truncated", offset: UInt64(stream.total_in),
      remedy: "fetch the file again")
  }
}
