import CKernels
import CKernelsCheck
import Testing

/// Every int8 kernel of every instruction set that this processor runs against the portable one,
/// over seeded shapes: `Tests/CKernelsCheck`, which also runs where Swift does not.
///
/// Serialized, for the checks keep their operands in static memory.
@Suite(.serialized) struct Int8ShapeTests {
  private static let shapes = 2000

  @Test(arguments: 0..<ckernels_checks()) func kernelsEqualThePortableOnes(check: Int) {
    var (kernel, names) = ("", [String]())
    // The first set is the portable one.
    while let set = declip_kernels_available(names.count + 1) {
      let name = String(cString: set.pointee.name)
      let result = ckernels_check(set.pointee.ints, check, Self.shapes)
      kernel = String(cString: result.kernel)
      #expect(
        result.differing == 0,
        "\(name), \(kernel): \(result.differing) shapes differ, the first is shape \(result.first)")
      #expect(result.shapes == Self.shapes)
      names.append(name)
    }
    print("\(kernel): \(Self.shapes) shapes on \(names.joined(separator: ", "))")
  }

  /// A product that leaves out the last column and a quantiser that is off by one are found.
  @Test func wrongKernelsAreFound() {
    var gemm = declip_int8_portable.gemm.pointee
    gemm.u8s8_s32 = { a, stride, packed, rows, n, k, range, first, panels, output, outputStride in
      declip_int8_portable.gemm.pointee.u8s8_s32(
        a, stride, packed, rows, n - 1, k, range, first, panels, output, outputStride)
    }
    var rows = declip_int8_portable.rows.pointee
    rows.quantize = { input, stride, count, columns, quantizer in
      declip_int8_portable.rows.pointee.quantize(input, stride, count, columns, quantizer)
      guard let output = quantizer?.pointee.output else { return }
      output[columns - 1] ^= 1
    }
    withUnsafePointer(to: gemm) { gemm in
      withUnsafePointer(to: rows) { rows in
        var set = declip_int8_portable
        set.gemm = gemm
        set.rows = rows
        #expect(ckernels_check(&set, 0, 100).differing == 100)
        #expect(ckernels_check(&set, 1, 100).differing == 0)
        #expect(ckernels_check(&set, 2, 100).differing == 100)
      }
    }
  }
}
