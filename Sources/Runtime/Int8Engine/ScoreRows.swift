import Model

/// Queries or keys of all heads as attention multiplies them, made row by row as soon as their
/// projection is done: integers take half of the memory that floats would, and are read from it once.
struct ScoreRows: @unchecked Sendable {
  // Sendable: threads write rows of their own, and nobody reads before all are written.
  /// Words `[tokens, width]`, heads side by side.
  let words: UnsafeMutablePointer<Int16>
  /// Scales `[heads, tokens]`.
  let scales: UnsafeMutablePointer<Float>
  let width: Int
  let headSize: Int
  private let tokens: Int

  /// Bytes for a plan's rows.
  static func byteCount(_ plan: Plan) -> Int {
    let transformer = plan.transformer
    return aligned(2 * plan.rows * transformer.width) + aligned(4 * plan.rows * transformer.heads)
  }

  /// Rows in memory of `byteCount(plan)` bytes.
  init(_ plan: Plan, at memory: UnsafeMutableRawPointer) {
    (width, headSize) = (plan.transformer.width, plan.transformer.headSize)
    tokens = plan.rows
    words = memory.assumingMemoryBound(to: Int16.self)
    scales = (memory + aligned(2 * tokens * width)).assumingMemoryBound(to: Float.self)
  }

  /// A head's words of a token; `width` words on stand those of the next.
  func row(_ token: Int, head: Int) -> UnsafeMutablePointer<Int16> {
    words + token * width + head * headSize
  }

  /// Whether all rows were written since their memory was erased, for `MemoryChecks`.
  func areWritten(_ rows: Range<Int>) -> Bool {
    (0..<width / headSize).allSatisfy { head in
      rows.allSatisfy { !scale($0, head: head).pointee.isNaN }
    }
  }

  /// A head's scale of a token; those of the next tokens follow.
  func scale(_ token: Int, head: Int) -> UnsafeMutablePointer<Float> {
    scales + head * tokens + token
  }
}

/// The queries and keys of a plan's ordinary blocks.
struct ScoreMemory {
  let queries: ScoreRows
  let keys: ScoreRows
  private let memory: AlignedMemory

  /// The bytes that they take.
  var byteCount: Int { memory.count }

  /// Erases all rows, for `MemoryChecks`.
  func erase() { MemoryChecks.erase(memory.base, count: memory.count) }

  init(_ plan: Plan) throws(DeclipError) {
    let size = ScoreRows.byteCount(plan)
    memory = try AlignedMemory(count: 2 * size)
    queries = ScoreRows(plan, at: memory.base)
    keys = ScoreRows(plan, at: memory.base + size)
  }
}
