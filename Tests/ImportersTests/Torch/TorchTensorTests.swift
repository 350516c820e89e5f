import Testing

@testable import Importers
@testable import Model

/// Strided views of a storage, true and untrue ones.
@Suite struct TorchTensorTests {
  /// The bytes 0 to 5 as a storage of six 8-bit integers.
  private func read(
    _ shape: [Int], strides: [Int], offset: Int = 0, key: String = "0", count: Int = 6,
    type: String = "ByteStorage"
  ) throws -> [UInt8] {
    let storage = PickleWriter.storage(
      key: key, type: PickleWriter.global("torch", type), count: count)
    let tensor = PickleWriter.tensor(storage, offset: offset, shape, strides: strides)
    let bytes = torchArchive(
      pickle: PickleWriter.dictionary([("w", tensor)]) + PickleWriter.stop,
      storages: ["0": [0, 1, 2, 3, 4, 5]])
    let tensors = try TorchFile(bytes: ByteView(bytes), path: "a.pt").tensors
    #expect(tensors.count == 1 && tensors[0].shape == shape)
    return tensors[0].bytes.array
  }

  @Test func viewsAreReadInRowMajorOrder() throws {
    #expect(try read([2, 3], strides: [3, 1]) == [0, 1, 2, 3, 4, 5])
    #expect(try read([3, 2], strides: [1, 3]) == [0, 3, 1, 4, 2, 5])
    #expect(try read([2, 2], strides: [3, 1], offset: 1) == [1, 2, 4, 5])
    #expect(try read([2, 2], strides: [0, 2], offset: 1) == [1, 3, 1, 3])
    #expect(try read([3], strides: [0], offset: 5) == [5, 5, 5])
    #expect(try read([2, 1, 3], strides: [3, 999, 1]) == [0, 1, 2, 3, 4, 5])
    #expect(try read([1, 2], strides: [Int.max, 2]) == [0, 2])
    #expect(try read([], strides: [], offset: 3) == [3])
    #expect(try read([0, 7], strides: [7, 1], offset: 6) == [])
    #expect(try read([0, Int.max, Int.max], strides: [1, 1, 1]) == [])
    #expect(try read([2, 2, 2], strides: [1, 0, 2]) == [0, 2, 0, 2, 1, 3, 1, 3])
    #expect(try read([3], strides: [1], count: 3, type: "HalfStorage") == [0, 1, 2, 3, 4, 5])
    #expect(try read([2], strides: [2], count: 3, type: "HalfStorage") == [0, 1, 4, 5])
  }

  private func outside(
    _ shape: [Int], _ strides: [Int], _ offset: Int,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    expectError(
      "tensor 'w': uint8 \(shape) with strides \(strides) at offset \(offset) lies outside its"
        + " storage, expected at most 6 elements", sourceLocation: sourceLocation
    ) { try read(shape, strides: strides, offset: offset) }
  }

  @Test func viewsBeyondTheStorageAreRefused() {
    outside([7], [1], 0)
    outside([6], [1], 1)
    outside([2, 3], [4, 1], 0)
    outside([], [], 6)
    outside([0], [1], 7)
    outside([2], [Int.max], 1)
    outside([Int.max], [Int.max], 0)
    outside([Int.max, Int.max], [0, 0], 0)
    outside([1], [1], Int.max)
    outside([0], [1], Int.max)
  }

  @Test func viewsWithoutSenseAreRefused() {
    for (shape, strides, offset) in [([-1], [1], 0), ([2], [-1], 3), ([2], [1], -1), ([2], [], 0)] {
      expectError(
        "tensor 'w': has the shape \(shape), strides \(strides) and offset \(offset), expected as"
          + " many strides as extents, none negative"
      ) { try read(shape, strides: strides, offset: offset) }
    }
  }

  @Test func repeatedElementsCannotFillTheMemory() {
    expectError(
      "tensor 'w': uint8 [1000000000000] is far larger than what the file holds; call contiguous()"
        + " on expanded tensors before saving"
    ) { try read([1_000_000_000_000], strides: [0]) }
    #expect(throws: Never.self) { try read([1_000_000], strides: [0]) }
    // Many tensors that are each small enough share one budget.
    let tensor = PickleWriter.tensor(
      PickleWriter.storage(type: PickleWriter.global("torch", "ByteStorage"), count: 1),
      [30 << 20], strides: [0])
    let bytes = torchArchive(
      pickle: PickleWriter.dictionary([("v", tensor), ("w", tensor)]) + PickleWriter.stop,
      storages: ["0": [0]])
    expectError(
      "tensor 'w': uint8 [31457280] is far larger than what the file holds; call contiguous() on"
        + " expanded tensors before saving"
    ) { try TorchFile(bytes: ByteView(bytes), path: "a.pt") }
  }

  @Test func storagesAreThereAndOfTheirSize() {
    expectError("tensor 'w': its storage 'a/data/../x' is not in the archive") {
      try read([1], strides: [1], key: "../x")
    }
    for count in [5, 7, Int.max] {
      expectError(
        "tensor 'w': its storage 'a/data/0' holds 6 bytes, expected \(count) elements of 1 bytes"
      ) { try read([1], strides: [1], count: count) }
    }
    expectError(
      "tensor 'w': its storage 'a/data/0' holds 6 bytes, expected \(Int.max) elements of 4 bytes"
    ) { try read([1], strides: [1], count: Int.max, type: "FloatStorage") }
  }
}
