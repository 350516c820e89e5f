import Model
import Synchronization

/// Decoders that wait for their next frame, so that reading many tensors allocates few.
final class DecoderPool: Sendable {
  private struct Idle: @unchecked Sendable {
    // Sendable: a decoder is either here or with the one thread that took it.
    let decoder: FrameDecoder
  }

  private let idle = Mutex<[Idle]>([])

  /// Calls `body` with a decoder that no other thread uses.
  func with<Value>(
    _ body: (FrameDecoder) throws(DeclipError) -> Value
  ) throws(DeclipError) -> Value {
    let waiting = idle.withLock { $0.popLast() }
    let lent = if let waiting { waiting } else { Idle(decoder: try FrameDecoder()) }
    defer { idle.withLock { $0.append(lent) } }
    return try body(lent.decoder)
  }
}
