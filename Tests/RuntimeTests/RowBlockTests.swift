import Model
import Testing

@testable import Runtime

@Suite struct RowBlockTests {
  /// Rows of bytes that were erased are told from those that were written, whatever gives the scale.
  @Test(arguments: [
    Quantization.Input.perRow(bits: 8), .perRow(bits: 15),
    .perTensor(scale: 0.5, zeroPoint: 3, bits: 8),
  ])
  func erasedRowsAreNotWritten(input: Quantization.Input) throws {
    let quantization = try #require(RowQuantization(input))
    let planes = quantization.isWide ? RowPlane.allCases : [.upper]
    let layout = RowLayout(floats: [], bytes: [(.hidden, columns: 7, planes: planes.count)])
    let memory = try RowMemory(layout, threads: 2)
    let rows = QuantizedRows(
      offset: try #require(layout.bytes[.hidden]), stride: RowLayout.byteStride(7),
      quantization: quantization)
    let block = memory.block(8..<12, worker: 1)
    let extents = try #require(layout.extents[.hidden])
    for extent in extents + [nil] {
      memory.erase(extent, worker: 1)
      #expect(!rows.isWritten(9, columns: 7, in: block))
      for plane in planes {
        rows.scale(9, plane, in: block)?.pointee = 1
        rows.row(9, plane, in: block).update(repeating: 0, count: 7)
      }
      #expect(rows.isWritten(9, columns: 7, in: block))
      #expect(!rows.isWritten(10, columns: 7, in: block))
      memory.erase(worker: 0)
      #expect(rows.isWritten(9, columns: 7, in: block))
    }
  }
}
