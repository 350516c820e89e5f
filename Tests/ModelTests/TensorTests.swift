import Model
import Testing

@Suite struct TensorTests {
  private let matrix = Tensor(
    dataType: .int8, shape: [2, 3], bytes: ByteView([1, 2, 3, 4, 5, 6]))

  private func elements(_ tensor: Tensor?) -> [UInt8]? {
    tensor?.bytes.withUnsafeBytes { Array($0) }
  }

  @Test func refusesBytesThatDoNotFitTheShape() {
    #expect(Tensor(dataType: .float32, shape: [2, 3], bytes: ByteView([1, 2, 3, 4])) == nil)
    #expect(Tensor(dataType: .int8, shape: [-2, -3], bytes: ByteView([1, 2, 3, 4, 5, 6])) == nil)
    #expect(Tensor.byteCount(of: [1 << 40, 1 << 40], .int8) == nil)
    #expect(Tensor.byteCount(of: [], .float64) == 8)
  }

  @Test func slicesRowsWithoutLeavingTheTensor() {
    #expect(elements(matrix?.rows(1..<2)) == [4, 5, 6])
    #expect(matrix?.rows(1..<3) == nil)
  }

  @Test func transposes() {
    let transposed = matrix?.transposed()
    #expect(transposed?.shape == [3, 2])
    #expect(elements(transposed) == [1, 4, 2, 5, 3, 6])
  }

  @Test func sliceOfAViewChecksOverflow() {
    let view = ByteView([1, 2, 3])
    #expect(view.slice(offset: .max, length: 2) == nil)
    #expect(view.slice(offset: 2, length: 2) == nil)
    #expect(view.slice(offset: 3, length: 0)?.count == 0)
  }
}
