import Foundation
import Testing

@testable import Model
@testable import Vision

@Suite struct NumPyArrayTests {
  private func file(
    _ header: String, version: UInt8 = 1, data: [UInt8] = []
  ) -> ByteView {
    let text = Array(header.utf8)
    let length = [UInt8(text.count & 255), UInt8(text.count >> 8)] + (version > 1 ? [0, 0] : [])
    return ByteView(NumPyHeader.magic + [version, 0] + length + text + data)
  }

  @Test func arraysReadBack() throws {
    for shape in [[], [0], [3], [2, 3], [1, 1, 5], [2, 0, 3]] {
      let count = shape.reduce(1, *)
      let array = try #require(
        NumPyArray(shape: shape, values: (0..<count).map { Float($0) - 1.5 }))
      let bytes = array.encoded()
      #expect(bytes.count % 64 == count * 4 % 64)
      #expect(try NumPyArray(file: ByteView(bytes)) == array)
    }
    #expect(NumPyArray(shape: [2], values: [1]) == nil)
    #expect(NumPyArray(shape: [-1], values: []) == nil)
  }

  @Test func headersAreNumPysOwn() throws {
    let array = try #require(NumPyArray(shape: [3], values: [1, 2, 3]))
    let text = String(decoding: array.encoded()[10..<70], as: UTF8.self)
    #expect(text == "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }   ")
  }

  @Test func otherWidthsAndVersions() throws {
    let half = try NumPyArray(
      file: file(
        "{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }\n", version: 2,
        data: [0, 0x3c, 0, 0xc0]))
    #expect(half.values == [1, -2])
    let double = try NumPyArray(
      file: file(
        "{\"descr\": \"<f8\", \"shape\": (1, 1), \"fortran_order\": False}",
        data: [0, 0, 0, 0, 0, 0, 0xf8, 0x3f]))
    #expect(double.values == [1.5] && double.shape == [1, 1])
  }

  @Test func faultsAreNamed() {
    func error(_ file: ByteView) -> String? { message { try NumPyArray(file: file) } }
    #expect(error(ByteView(Array("hello world".utf8))) == "is not a .npy file")
    #expect(
      error(file("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }"))
        == "header: the array is stored column by column (Fortran order), expected C order; "
        + "save numpy.ascontiguousarray(array) instead")
    #expect(
      error(file("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 2), }"))
        == "header: the elements are of type '>f4', expected '<f4', '<f2' or '<f8'; save "
        + "array.astype('<f4') instead")
    #expect(
      error(file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", data: [0, 0]))
        == "array of shape [2, 2] at byte 69: holds 2 bytes of elements, expected 16; the file is "
        + "incomplete or damaged; write it again")
    #expect(
      error(file("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8), }"))?
        .contains("fits into memory") == true)
    #expect(
      error(file("{'descr': '<f4'")) == "header at byte 25: the header cannot be read, expected '}'"
    )
    #expect(error(file("{'descr': '<f4'}", version: 3))?.contains("format 3.0") == true)
    #expect(
      error(file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }"))?
        .contains("expected a string, a tuple, True or False") == true)
  }

  @Test func damagedFilesNeverCrash() throws {
    let seed: UInt64 = 5
    var generator = SeededGenerator(seed: seed)
    let array = try #require(NumPyArray(shape: [4, 3], values: (0..<12).map(Float.init)))
    for _ in 0..<5000 {
      var bytes = array.encoded()
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let at = Int.random(in: 0..<min(bytes.count, 80), using: &generator)
        bytes[at] =
          Bool.random(using: &generator)
          ? UInt8.random(in: 0...255, using: &generator)
          : Array("{}(),:'019 \n".utf8).randomElement(using: &generator) ?? 0
      }
      if Int.random(in: 0..<4, using: &generator) == 0 {
        bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator))
      }
      do {
        let read = try NumPyArray(file: ByteView(bytes))
        #expect(read.values.count == read.shape.reduce(1, *), "seed \(seed)")
      } catch {
        #expect(error.kind == .badData, "seed \(seed)")
      }
    }
  }
}
