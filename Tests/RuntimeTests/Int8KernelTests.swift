import CKernels
import Foundation
import Testing

/// Every kernel set that this processor runs.
private func kernelSets() -> [(name: String, ints: declip_int8_kernels)] {
  var list: [(name: String, ints: declip_int8_kernels)] = []
  while let set = declip_kernels_available(list.count) {
    list.append((String(cString: set.pointee.name), set.pointee.ints.pointee))
  }
  return list
}

private func padded(_ count: Int) -> Int {
  let multiple = Int(DECLIP_INT8_ROW_MULTIPLE)
  return (count + multiple - 1) / multiple * multiple
}

private func floats(_ count: Int, spread: Float, seed: UInt64) -> [Float] {
  var generator = SplitMix(seed: seed)
  return (0..<count).map { _ in (generator.uniform() * 2 - 1) * spread }
}

/// The product of every kernel set against sums written out here, over edge shapes and extremes.
@Suite struct Int8ProductTests {
  private struct Shape { var rows, n, k: Int }

  private enum Filling: CaseIterable { case random, largest, alternating, zero }

  private let shapes = [1, 2, 5, 13].flatMap { rows in
    [1, 15, 16, 17, 33, 64, 100].flatMap { n in
      [1, 3, 4, 31, 64, 100, 768].map { k in Shape(rows: rows, n: n, k: k) }
    }
  }

  private func limits(_ range: declip_int8_range) -> (activation: Int, weight: Int) {
    switch range {
    case DECLIP_INT8_U7S7: (127, 64)
    case DECLIP_INT8_U7S8: (127, 128)
    case DECLIP_INT8_U8S7: (255, 64)
    default: (255, 128)
    }
  }

  /// Activations with rubbish in the padding, and weights.
  private func operands(_ shape: Shape, _ filling: Filling, _ range: declip_int8_range)
    -> (a: [UInt8], weights: [Int8])
  {
    let (activation, weight) = limits(range)
    var generator = SplitMix(seed: UInt64(shape.rows * 1000 + shape.n * 10 + shape.k))
    let stride = padded(shape.k)
    var a = [UInt8](repeating: UInt8(activation), count: shape.rows * stride)
    var weights = [Int8](repeating: 0, count: shape.n * shape.k)
    for row in 0..<shape.rows {
      for i in 0..<shape.k {
        a[row * stride + i] =
          switch filling {
          case .random: UInt8(generator.next() % UInt64(activation + 1))
          case .largest: UInt8(activation)
          case .alternating: i % 2 == 0 ? UInt8(activation) : 0
          case .zero: 0
          }
      }
    }
    for i in weights.indices {
      weights[i] =
        switch filling {
        case .random: Int8(Int(generator.next() % UInt64(2 * weight)) - weight)
        case .largest: Int8(-weight)
        case .alternating: i % 3 == 0 ? Int8(-weight) : Int8(weight - 1)
        case .zero: 0
        }
    }
    if range == DECLIP_INT8_U8S8_PAIRED { limitPairs(&weights, shape) }
    return (a, weights)
  }

  /// Brings neighbours of one sign within a sum of 128.
  private func limitPairs(_ weights: inout [Int8], _ shape: Shape) {
    for start in stride(from: 0, to: weights.count, by: shape.k) {
      for first in stride(from: start, to: start + shape.k - 1, by: 2) {
        let sum = Int(weights[first]) + Int(weights[first + 1])
        let excess = max(sum - 128, 0) + min(sum + 128, 0)
        weights[first + 1] = Int8(Int(weights[first + 1]) - excess)
      }
    }
  }

  private func sums(_ shape: Shape, _ a: [UInt8], _ weights: [Int8]) -> [Int32] {
    let stride = padded(shape.k)
    var sums = [Int32](repeating: 0, count: shape.rows * shape.n)
    a.withUnsafeBufferPointer { a in
      weights.withUnsafeBufferPointer { weights in
        for row in 0..<shape.rows {
          for column in 0..<shape.n {
            var sum: Int32 = 0
            for i in 0..<shape.k {
              sum &+= Int32(a[row * stride + i]) &* Int32(weights[column * shape.k + i])
            }
            sums[row * shape.n + column] = sum
          }
        }
      }
    }
    return sums
  }

  @Test(
    arguments: [
      DECLIP_INT8_U7S7, DECLIP_INT8_U7S8, DECLIP_INT8_U8S7, DECLIP_INT8_U8S8_PAIRED,
      DECLIP_INT8_U8S8,
    ].map(\.rawValue))
  func sumsAreExact(rawRange: UInt32) {
    for shape in shapes { compare(shape, declip_int8_range(rawRange)) }
  }

  /// Rows of more terms than AVX2 keeps bounds for.
  @Test func sumsOfLongRowsAreExact() {
    for range in [DECLIP_INT8_U7S7, DECLIP_INT8_U8S8_PAIRED, DECLIP_INT8_U8S8] {
      compare(Shape(rows: 5, n: 17, k: 8200), range)
    }
  }

  private func compare(_ shape: Shape, _ range: declip_int8_range) {
    for filling in Filling.allCases {
      let (a, weights) = operands(shape, filling, range)
      let expected = sums(shape, a, weights)
      for (name, ints) in kernelSets() {
        let gemm = ints.gemm.pointee
        var packed = [Int8](repeating: 1, count: gemm.packed_size(shape.n, shape.k))
        var columnSums = [Int32](repeating: -1, count: shape.n)
        gemm.pack_weights(weights, shape.n, shape.k, range, &packed, &columnSums)
        let stride = shape.n + 3
        var found = [Int32](repeating: 77, count: shape.rows * stride)
        gemm.u8s8_s32(
          a, padded(shape.k), packed, shape.rows, shape.n, shape.k, range, 0, 100, &found, stride)
        for row in 0..<shape.rows {
          let line = found[row * stride..<(row + 1) * stride]
          let wanted = expected[row * shape.n..<(row + 1) * shape.n] + [77, 77, 77]
          guard !line.elementsEqual(wanted) else { continue }
          Issue.record("\(name), \(shape), \(filling), range \(range.rawValue), row \(row)")
          break
        }
      }
    }
  }

  /// 200 rows pass the end of a block of rows; the panels of a product are split over two calls.
  @Test(arguments: [(5, 33, 31), (13, 100, 100), (200, 49, 64)])
  func epiloguesEqualTheFormula(rows: Int, n: Int, k: Int) {
    let shape = Shape(rows: rows, n: n, k: k)
    let (a, weights) = operands(shape, .random, DECLIP_INT8_U7S8)
    let exact = sums(shape, a, weights)
    let rowScale = floats(rows, spread: 0.1, seed: 1)
    let columnScale = floats(n, spread: 0.1, seed: 2)
    let bias = floats(n, spread: 10, seed: 3)
    let before = floats(rows * n, spread: 10, seed: 4)
    for (name, ints) in kernelSets() {
      let gemm = ints.gemm.pointee
      var packed = [Int8](repeating: 1, count: gemm.packed_size(n, k))
      var columnSums = [Int32](repeating: -1, count: n)
      gemm.pack_weights(weights, n, k, DECLIP_INT8_U7S8, &packed, &columnSums)
      for column in 0..<n {
        let sum = weights[column * k..<(column + 1) * k].reduce(Int32(0)) { $0 + Int32($1) }
        #expect(columnSums[column] == sum)
      }
      for option in 0..<8 {
        let perRow = option & 1 != 0, biased = option & 2 != 0, accumulates = option & 4 != 0
        var found = before
        rowScale.withUnsafeBufferPointer { rowScale in
          columnScale.withUnsafeBufferPointer { columnScale in
            bias.withUnsafeBufferPointer { bias in
              columnSums.withUnsafeBufferPointer { columnSums in
                var epilogue = declip_int8_epilogue(
                  row_scale: perRow ? rowScale.baseAddress : nil, tensor_scale: 0.03,
                  zero_point: 64, column_scale: columnScale.baseAddress,
                  bias: biased ? bias.baseAddress : nil, column_sum: columnSums.baseAddress,
                  result: accumulates ? DECLIP_INT8_ADD : DECLIP_INT8_STORE)
                gemm.u8s8_f32(
                  a, padded(k), packed, rows, n, k, DECLIP_INT8_U7S8, 0, 1, &epilogue, &found, n)
                gemm.u8s8_f32(
                  a, padded(k), packed, rows, n, k, DECLIP_INT8_U7S8, 1, 100, &epilogue, &found, n)
              }
            }
          }
        }
        for index in found.indices {
          let row = index / n, column = index % n
          let sum = Double(exact[index] - 64 * columnSums[column])
          let product = sum * Double(perRow ? rowScale[row] : 0.03) * Double(columnScale[column])
          let terms = [
            product, biased ? Double(bias[column]) : 0, accumulates ? Double(before[index]) : 0,
          ]
          let bound = 1e-6 * terms.reduce(0) { max($0, abs($1)) }
          guard abs(Double(found[index]) - terms.reduce(0, +)) > bound else { continue }
          Issue.record("\(name), option \(option), element \(index): \(found[index])")
          break
        }
      }
    }
  }

  @Test func theProbeCountsItsWork() {
    for (_, ints) in kernelSets() {
      let gemm = ints.gemm.pointee
      let products = [DECLIP_INT8_U7S7, DECLIP_INT8_U8S8].map { range in
        { (iterations: UInt64) in gemm.probe_peak(range, iterations) }
      }
      let attention = ints.attention.pointee.probe_peak.map { probe in
        { (iterations: UInt64) in probe(iterations) }
      }
      for probe in products + [attention].compactMap({ $0 }) {
        #expect(probe(1) > 0)
        #expect(probe(10) == 10 * probe(1))
      }
    }
  }
}

/// Quantised rows of every kernel set against those of the portable one.
@Suite struct Int8RowTests {
  private typealias Kernel = (
    declip_int8_rows, _ columns: Int, UnsafePointer<declip_int8_quantizer>
  ) -> Void

  private let rows = 3
  private let padding = 5
  private let columns = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 64, 127, 768, 2730]

  private func run(
    _ kernels: declip_int8_rows, columns: Int, range: Int32, dynamic: Bool, _ kernel: Kernel
  ) -> (integers: [Int], scales: [Float]) {
    let isWide = range > 255
    let size = rows * (columns + padding)
    var bytes = [UInt8](repeating: 9, count: 2 * size)
    var scales = [Float](repeating: 9, count: 2 * rows)
    var scratch = [Float](repeating: 0, count: 2 * columns)
    bytes.withUnsafeMutableBufferPointer { bytes in
      scales.withUnsafeMutableBufferPointer { scales in
        scratch.withUnsafeMutableBufferPointer { scratch in
          var quantizer = declip_int8_quantizer(
            range: range, zero_point: dynamic ? range / 2 + 1 : 17, inverse_scale: 8.7,
            row_scale: dynamic ? scales.baseAddress : nil, output: bytes.baseAddress,
            output_stride: columns + padding, scratch: scratch.baseAddress,
            low_output: isWide ? bytes.baseAddress.map { $0 + size } : nil,
            low_scale: isWide ? scales.baseAddress.map { $0 + rows } : nil)
          kernel(kernels, columns, &quantizer)
        }
      }
    }
    if isWide {
      #expect(bytes[size...].allSatisfy { $0 < 128 })
      for row in 0..<rows { #expect(scales[row] == 128 * scales[rows + row]) }
    }
    return (
      (0..<size).map { isWide ? 128 * Int(bytes[$0]) + Int(bytes[size + $0]) : Int(bytes[$0]) },
      scales
    )
  }

  /// Compares all kernel sets over columns, ranges and kinds.
  private func compare(_ kernel: Kernel) {
    let sets = kernelSets()
    for columns in columns {
      for range: Int32 in [127, 255, 16383, 32767] {
        for dynamic in range > 255 ? [true] : [false, true] {
          let expected = run(
            declip_int8_portable.rows.pointee, columns: columns, range: range, dynamic: dynamic,
            kernel)
          #expect(expected.integers.allSatisfy { $0 <= range })
          for (name, ints) in sets {
            let found = run(
              ints.rows.pointee, columns: columns, range: range, dynamic: dynamic, kernel)
            let what = "\(name), \(columns) columns, range \(range), dynamic \(dynamic)"
            #expect(found.integers == expected.integers, "\(what)")
            #expect(found.scales == expected.scales, "\(what)")
          }
        }
      }
    }
  }

  @Test(arguments: [Float(0), 0.01, 1, 1e4, 1e30]) func quantisationIsBitEqual(spread: Float) {
    compare { kernels, columns, quantizer in
      let input = floats(rows * columns, spread: spread, seed: UInt64(columns))
      kernels.quantize(input, columns, rows, columns, quantizer)
    }
  }

  @Test func halvesRoundToEvenAndTheRestIsClamped() {
    let input: [Float] = [-0.5, 0.5, 1.5, 2.5, -1.5, 1e9, -1e9, .infinity, -.infinity, .nan]
    for (name, ints) in kernelSets() {
      var bytes = [UInt8](repeating: 0, count: input.count)
      bytes.withUnsafeMutableBufferPointer { bytes in
        var quantizer = declip_int8_quantizer(
          range: 127, zero_point: 64, inverse_scale: 1, row_scale: nil, output: bytes.baseAddress,
          output_stride: input.count, scratch: nil, low_output: nil, low_scale: nil)
        ints.rows.pointee.quantize(input, input.count, 1, input.count, &quantizer)
      }
      #expect(bytes == [64, 64, 66, 66, 62, 127, 0, 127, 0, 64], "\(name)")
    }
  }

  /// A row's scale shows an infinite value; what is not a number becomes the zero point and leaves
  /// the other values alone.
  @Test func damagedRowsAreTheSameEverywhere() {
    for damage: Float in [.nan, .infinity, -.infinity] {
      compare { kernels, columns, quantizer in
        var input = floats(rows * columns, spread: 3, seed: UInt64(columns))
        input[columns / 2] = damage
        kernels.quantize(input, columns, rows, columns, quantizer)
      }
    }
  }

  /// Integers of 14 and 15 bits are the values over the largest one's share, to a half of a step.
  @Test(arguments: [14, 15]) func wideRowsAreWhatTheyWere(bits: Int) {
    let input: [Float] = [-1, 1, 0, 0.5, -0.25, 1e-4, 0.333_333, -0.999_97]
    let zeroPoint: Int32 = 1 << (bits - 1)
    let (step, zero) = (1 / Float(zeroPoint - 1), UInt8(zeroPoint >> 7))
    for (name, ints) in kernelSets() {
      var (upper, lower) = ([UInt8](repeating: 0, count: 8), [UInt8](repeating: 0, count: 8))
      var scales: [Float] = [0, 0]
      scales.withUnsafeMutableBufferPointer { scales in
        upper.withUnsafeMutableBufferPointer { upper in
          lower.withUnsafeMutableBufferPointer { lower in
            var quantizer = declip_int8_quantizer(
              range: 2 * zeroPoint - 1, zero_point: zeroPoint, inverse_scale: 0,
              row_scale: scales.baseAddress,
              output: upper.baseAddress, output_stride: 8, scratch: nil,
              low_output: lower.baseAddress, low_scale: scales.baseAddress.map { $0 + 1 })
            ints.rows.pointee.quantize(input, 8, 1, 8, &quantizer)
          }
        }
      }
      #expect(scales == [128 * step, step], "\(name)")
      #expect(
        upper[0] == 0 && lower[0] == 1 && upper[1] == zero - 1 + zero && lower[1] == 127, "\(name)")
      #expect(upper[2] == zero && lower[2] == 0, "\(name)")
      for (index, value) in input.enumerated() {
        // The sum of what both parts stand for, each with its own zero point.
        let found =
          (Float(upper[index]) - Float(zero)) * scales[0] + Float(lower[index]) * scales[1]
        #expect(abs(found - value) <= 0.501 * step, "\(name) \(value)")
      }
    }
  }

  @Test func normalisedRowsEqualThoseOfTheFloatKernels() {
    compare { kernels, columns, quantizer in
      let input = floats(rows * columns, spread: 4, seed: UInt64(columns))
      let gain = floats(columns, spread: 2, seed: 1)
      let bias = floats(columns, spread: 1, seed: 2)
      kernels.layer_norm_quantize(input, columns, gain, bias, 1e-5, rows, columns, quantizer)
    }
  }
}
