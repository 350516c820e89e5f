import CKernels
import Model

/// Rows of tokens that one thread takes from one attention to the next.
///
/// Everything between two attentions works on rows of their own, so a thread does all of it for a
/// few rows before it turns to the next: what one step makes the next finds in the second-level
/// cache, and threads meet only before and after attention.
struct RowBlock {
  /// The tokens.
  let rows: Range<Int>
  /// The thread that works on the block.
  let worker: Int
  let memory: RowMemory
  /// The start of this block's part of the memory.
  let base: UnsafeMutableRawPointer
  /// The token whose rows stand first in the block's memory.
  let firstRow: Int

  /// The most rows to a block: rows of 2048 floats for all of them take 480 KiB.
  static let mostRows = 60

  /// Blocks end at multiples of this, as products are fastest with whole tiles of four rows.
  private static let tileRows = 4

  /// The blocks that `rows` are cut into for a number of threads: as many for each thread.
  static func count(rows: Int, threads: Int) -> Int {
    let each = (rows + threads * mostRows - 1) / (threads * mostRows)
    return min(tiles(rows), each * threads)
  }

  /// The rows of one of `count` blocks.
  static func rows(ofBlock index: Int, count: Int, rows: Int) -> Range<Int> {
    let tiles = tiles(rows)
    let (start, end) = (tiles * index / count, tiles * (index + 1) / count)
    return tileRows * start..<min(rows, tileRows * end)
  }

  private static func tiles(_ rows: Int) -> Int { (rows + tileRows - 1) / tileRows }
}

/// Where slots that live within blocks lie in a block's memory.
struct RowLayout {
  /// Bytes to a row before a slot's, for slots of floats.
  private(set) var floats: [Slot: Int] = [:]
  /// The same for slots of quantised rows: bytes, then scales, plane by plane.
  private(set) var bytes: [Slot: Int] = [:]
  /// Where all that a slot has in a block lies: bytes to a row before and behind it.
  private(set) var extents: [Slot: [Range<Int>]] = [:]
  /// Bytes of all slots to a row.
  private(set) var rowSize = 0

  /// Floats from one row to the next: whole cache lines.
  static func floatStride(_ columns: Int) -> Int { aligned(4 * columns) / 4 }

  /// Bytes from one quantised row to the next. A cache line more than needed keeps the rows of a
  /// tile from falling into the same sets of the first-level cache.
  static func byteStride(_ columns: Int) -> Int { aligned(columns) + 64 }

  /// Bytes to a row of one plane of quantised rows, its scale among them.
  static func planeSize(stride: Int) -> Int { stride + MemoryLayout<Float>.size }

  init(floats: [(Slot, columns: Int)], bytes: [(Slot, columns: Int, planes: Int)]) {
    for (slot, columns) in floats {
      self.floats[slot] = rowSize
      place(slot, 4 * Self.floatStride(columns))
    }
    for (slot, columns, planes) in bytes {
      self.bytes[slot] = rowSize
      place(slot, planes * Self.planeSize(stride: Self.byteStride(columns)))
    }
    rowSize = aligned(rowSize)
  }

  private mutating func place(_ slot: Slot, _ size: Int) {
    extents[slot, default: []].append(rowSize..<rowSize + size)
    rowSize += size
  }
}

/// Memory for blocks: one part for each thread, or a single part for all rows, which keeps every
/// step's result for whoever wants to look at it.
final class RowMemory {
  /// The rows that a part has room for.
  let capacity: Int
  /// Whether there is one part that holds every row.
  let isWhole: Bool
  private let partSize: Int
  private let memory: AlignedMemory

  /// A part of `RowBlock.mostRows` rows for each of `threads`.
  init(_ layout: RowLayout, threads: Int) throws(DeclipError) {
    capacity = RowBlock.mostRows
    isWhole = false
    partSize = layout.rowSize * capacity
    memory = try AlignedMemory(count: partSize * threads)
  }

  /// One part for all of `rows`.
  init(_ layout: RowLayout, wholeRows rows: Int) throws(DeclipError) {
    capacity = aligned(rows)
    isWhole = true
    partSize = layout.rowSize * capacity
    memory = try AlignedMemory(count: partSize)
  }

  /// The bytes that the memory takes.
  var byteCount: Int { memory.count }

  /// Erases a thread's part, or of it what a slot has there, for `MemoryChecks`.
  func erase(_ extent: Range<Int>? = nil, worker: Int) {
    let base = memory.base + (isWhole ? 0 : worker * partSize)
    let start = (extent?.lowerBound ?? 0) * capacity
    let end = extent.map { $0.upperBound * capacity } ?? partSize
    MemoryChecks.erase(base + start, count: end - start)
  }

  /// The block of `rows`, worked on by a thread.
  func block(_ rows: Range<Int>, worker: Int) -> RowBlock {
    RowBlock(
      rows: rows, worker: worker, memory: self,
      base: memory.base + (isWhole ? 0 : worker * partSize),
      firstRow: isWhole ? 0 : rows.lowerBound)
  }
}

/// Rows of floats that a row operation reads or writes.
enum FloatRows {
  /// In memory of all threads.
  case shared(FloatMatrix)
  /// In the memory of a block, behind `offset` bytes to a row.
  case local(offset: Int, stride: Int)

  func matrix(in block: RowBlock) -> FloatMatrix {
    switch self {
    case .shared(let matrix): matrix
    case .local(let offset, let stride):
      FloatMatrix(
        base: (block.base + offset * block.memory.capacity).assumingMemoryBound(to: Float.self),
        stride: stride, firstRow: block.firstRow)
    }
  }
}

/// Rows of unsigned bytes with a scale each, in the memory of a block.
struct QuantizedRows {
  /// Bytes to a row before these in the block's memory.
  let offset: Int
  /// Bytes from one row to the next.
  let stride: Int
  /// What the bytes mean.
  let quantization: RowQuantization

  func row(
    _ token: Int, _ plane: RowPlane = .upper, in block: RowBlock
  ) -> UnsafeMutablePointer<UInt8> {
    start(plane, in: block).assumingMemoryBound(to: UInt8.self)
      + (token - block.firstRow) * stride
  }

  /// The scale of a row; those of the following rows follow. Nil where all rows share one.
  func scale(
    _ token: Int, _ plane: RowPlane = .upper, in block: RowBlock
  ) -> UnsafeMutablePointer<Float>? {
    guard quantization.scale == nil else { return nil }
    return
      (start(plane, in: block) + stride * block.memory.capacity)
      .assumingMemoryBound(to: Float.self) + (token - block.firstRow)
  }

  private func start(_ plane: RowPlane, in block: RowBlock) -> UnsafeMutableRawPointer {
    let before = plane == .lower ? RowLayout.planeSize(stride: stride) : 0
    return block.base + (offset + before) * block.memory.capacity
  }

  /// Whether a row was written since its memory was erased, for `MemoryChecks`.
  func isWritten(_ token: Int, columns: Int, in block: RowBlock) -> Bool {
    let planes: [RowPlane] = quantization.isWide ? RowPlane.allCases : [.upper]
    let hasScales = planes.allSatisfy { scale(token, $0, in: block)?.pointee.isNaN != true }
    let row = UnsafeBufferPointer(start: row(token, in: block), count: columns)
    return hasScales && row.contains { $0 != 0xff }
  }

  /// A row as floats.
  func values(of token: Int, columns: Int, in block: RowBlock) -> [Float] {
    let row = row(token, in: block)
    guard quantization.isWide else {
      let scale = quantization.scale ?? scale(token, in: block)?.pointee ?? 0
      return (0..<columns).map { Float(Int32(row[$0]) - quantization.zeroPoint) * scale }
    }
    let lower = self.row(token, .lower, in: block)
    let scale = scale(token, .lower, in: block)?.pointee ?? 0
    return (0..<columns).map {
      let integer = Int32(row[$0]) << RowPlane.lowerBits + Int32(lower[$0])
      return Float(integer - quantization.zeroPoint) * scale
    }
  }
}
