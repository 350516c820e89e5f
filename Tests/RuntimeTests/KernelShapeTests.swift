import CKernels
import CKernelsCheck
import Testing

/// Every kernel of every instruction set that this processor runs against the portable one, bit for
/// bit, over seeded shapes: `Tests/CKernelsCheck`, which also runs where Swift does not.
///
/// Serialized, for the checks keep their operands in static memory.
@Suite(.serialized) struct KernelShapeTests {
  private static let shapes = 2000

  @Test(arguments: 0..<ckernels_checks()) func kernelsEqualThePortableOnes(check: Int) {
    var (kernel, names) = ("", [String]())
    // The first set is the portable one.
    while let set = declip_kernels_available(names.count + 1) {
      let name = String(cString: set.pointee.name)
      let result = ckernels_check(set, check, Self.shapes)
      kernel = String(cString: result.kernel)
      #expect(
        result.differing == 0,
        "\(name), \(kernel): \(result.differing) shapes differ, the first is shape \(result.first)")
      #expect(result.shapes == Self.shapes)
      names.append(name)
    }
    print("\(kernel): \(Self.shapes) shapes on \(names.joined(separator: ", "))")
  }

  /// A product that leaves out the last column, a quantiser that is off by one and a norm whose last
  /// bit differs are found.
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
    var floats = declip_float_portable
    floats.layer_norm = {
      input, stride, gain, bias, epsilon, output, outputStride, rows, columns in
      declip_float_portable.layer_norm(
        input, stride, gain, bias, epsilon, output, outputStride, rows, columns)
      guard let output else { return }
      output[0] = output[0].nextUp
    }
    withUnsafePointer(to: gemm) { gemm in
      withUnsafePointer(to: rows) { rows in
        withUnsafePointer(to: floats) { floats in
          var ints = declip_int8_portable
          ints.gemm = gemm
          ints.rows = rows
          withUnsafePointer(to: ints) { ints in
            var set = declip_kernels(name: nil, floats: floats, ints: ints)
            #expect(ckernels_check(&set, 0, 100).differing == 100)
            #expect(ckernels_check(&set, 1, 100).differing == 0)
            #expect(ckernels_check(&set, 2, 100).differing == 100)
            #expect(ckernels_check(&set, 8, 100).differing > 90)
            #expect(ckernels_check(&set, 9, 100).differing == 0)
          }
        }
      }
    }
  }
}
