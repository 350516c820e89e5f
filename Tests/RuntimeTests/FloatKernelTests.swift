import CKernels
import Foundation
import Model
import Testing

@testable import Runtime

/// Every kernel set that this processor runs against the functions themselves in double precision, on
/// row lengths around every vector width, with a stride longer than the row and values up to saturation.
/// `KernelShapeTests` compares the sets with each other.
@Suite struct FloatKernelTests {
  private static let columns = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 64, 127, 768, 2730]
  private static let rows = 3
  private static let padding = 5

  private func values(_ count: Int, spread: Float, seed: UInt64) -> [Float] {
    var generator = SplitMix(seed: seed)
    return (0..<count).map { _ in (generator.uniform() * 2 - 1) * spread }
  }

  /// Runs a kernel of every set on rows of every length, and compares each row with what `expected`
  /// makes of it in double precision.
  private func compare(
    spread: Float, tolerance: (Double) -> Double, expected: (_ row: [Double]) -> [Double],
    _ apply: (declip_float_kernels, UnsafeMutablePointer<Float>, _ stride: Int, _ columns: Int)
      -> Void
  ) {
    for kernels in Kernels.available {
      for columns in Self.columns {
        let stride = columns + Self.padding
        let input = values(Self.rows * stride, spread: spread, seed: UInt64(columns))
        var found = input
        apply(kernels.floats, &found, stride, columns)
        for row in 0..<Self.rows {
          let range = row * stride..<row * stride + columns
          let wanted = expected(input[range].map(Double.init))
          let faults = zip(wanted, found[range]).filter { abs($0 - Double($1)) > tolerance($0) }
          if let (wanted, found) = faults.first {
            Issue.record("\(kernels.name), \(columns) columns: \(found), not \(wanted)")
          }
          let rest = range.upperBound..<(row + 1) * stride
          #expect(found[rest] == input[rest], "\(kernels.name) writes behind a row")
        }
      }
    }
  }

  @Test(arguments: [Float(0.01), 1, 100]) func layerNormNormalises(spread: Float) {
    func parameters(_ columns: Int) -> (gain: [Float], bias: [Float]) {
      (values(columns, spread: 2, seed: 1), values(columns, spread: 1, seed: 2))
    }
    compare(
      spread: spread, tolerance: { _ in 2e-5 },
      expected: { row in
        let (gain, bias) = parameters(row.count)
        let mean = row.reduce(0, +) / Double(row.count)
        let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
        return row.indices.map {
          (row[$0] - mean) / (variance + 1e-6).squareRoot() * Double(gain[$0]) + Double(bias[$0])
        }
      },
      { kernels, data, stride, columns in
        let (gain, bias) = parameters(columns)
        kernels.layer_norm(data, stride, gain, bias, 1e-6, data, stride, Self.rows, columns)
      })
  }

  @Test(arguments: [Float(0), 1, 30, 1e4]) func softmaxAddsUpToOne(spread: Float) {
    compare(
      spread: spread, tolerance: { max(1e-6, 1e-6 * abs($0)) },
      expected: { row in
        let peak = row.max() ?? 0
        let powers = row.map { exp($0 - peak) }
        return powers.map { $0 / powers.reduce(0, +) }
      },
      { kernels, data, stride, columns in kernels.softmax(data, stride, Self.rows, columns) })
  }

  @Test(arguments: [Float(0), 1, 10, 1e4]) func activationsAreTheirFunctions(spread: Float) {
    func check(
      _ function: @escaping (Double) -> Double,
      _ kernel: (declip_float_kernels, UnsafeMutablePointer<Float>, Int, Int) -> Void
    ) {
      compare(
        spread: spread, tolerance: { max(1e-6, 1e-6 * abs($0)) },
        expected: { $0.map(function) }, kernel)
    }
    check({ $0 / (1 + exp(-1.702 * $0)) }) { $0.quick_gelu($1, $2, Self.rows, $3) }
    check({ 0.5 * $0 * (1 + erf($0 / 2.0.squareRoot())) }) { $0.gelu($1, $2, Self.rows, $3) }
    check({ 0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) })
    {
      $0.gelu_tanh($1, $2, Self.rows, $3)
    }
    check({ $0 / (1 + exp(-$0)) * 0.75 }) { kernels, data, stride, columns in
      let up = [Float](repeating: 0.75, count: Self.rows * columns)
      kernels.silu_multiply(data, stride, up, columns, Self.rows, columns)
    }
  }

  @Test func biasIsAdded() {
    compare(
      spread: 1, tolerance: { _ in 1e-7 },
      expected: { row in
        zip(row, values(row.count, spread: 1, seed: 4)).map { $0 + Double($1) }
      },
      { kernels, data, stride, columns in
        kernels.add_bias(data, stride, values(columns, spread: 1, seed: 4), Self.rows, columns)
      })
  }

  @Test(arguments: [(1, 4), (3, 8), (2, 64), (5, 20)])
  func neighboursAreRotated(heads: Int, size: Int) {
    for kernels in Kernels.available {
      let angles = values(Self.rows * size / 2, spread: 3, seed: 5)
      let input = values(Self.rows * heads * size, spread: 3, seed: 7)
      var found = input
      kernels.floats.rotate(
        &found, heads * size, angles.map(cos), angles.map(sin), Self.rows, heads, size)
      for pair in 0..<input.count / 2 {
        let (row, column) = (pair / (heads * size / 2), pair % (size / 2))
        let angle = Double(angles[row * size / 2 + column])
        let (a, b) = (Double(input[2 * pair]), Double(input[2 * pair + 1]))
        #expect(abs(Double(found[2 * pair]) - (a * cos(angle) - b * sin(angle))) < 1e-6)
        #expect(abs(Double(found[2 * pair + 1]) - (b * cos(angle) + a * sin(angle))) < 1e-6)
      }
    }
  }

  /// Sums of products, over the edges of tiles and panels; the left operand's rows stand apart.
  @Test(arguments: [(1, 1, 1), (5, 33, 17), (9, 16, 193), (3, 70, 400)], [true, false])
  func productsAreSums(extents: (rows: Int, columns: Int, terms: Int), isTransposed: Bool) {
    let (rows, columns, terms) = extents
    let (a, b) = (
      values(rows * (terms + 3), spread: 1, seed: 8), values(columns * terms, spread: 1, seed: 9)
    )
    let before = values(rows * columns, spread: 1, seed: 10)
    for kernels in Kernels.available {
      for accumulates in [false, true] {
        var found = before
        var product = declip_float_product(
          rows: rows, columns: columns, terms: terms, a: nil, a_stride: terms + 3, b: nil,
          b_stride: isTransposed ? terms : columns, is_transposed: isTransposed ? 1 : 0,
          accumulates: accumulates ? 1 : 0, factor: accumulates ? 1 : 0.5)
        a.withUnsafeBufferPointer { left in
          b.withUnsafeBufferPointer { right in
            product.a = left.baseAddress
            product.b = right.baseAddress
            kernels.floats.multiply(&product, &found, columns)
          }
        }
        for index in found.indices {
          let (row, column) = (index / columns, index % columns)
          let products = (0..<terms).map { term in
            Double(a[row * (terms + 3) + term])
              * Double(b[isTransposed ? column * terms + term : term * columns + column])
          }
          let sum = products.reduce(0, +)
          let wanted = accumulates ? Double(before[index]) + sum : sum / 2
          // Roundings of a sum grow with what its terms add up to without their signs.
          let bound = 1e-6 * (1 + products.reduce(0) { $0 + abs($1) })
          #expect(abs(Double(found[index]) - wanted) < bound, "\(kernels.name)")
        }
      }
    }
  }

  /// A damaged number must not be hidden by a maximum or a clamp.
  @Test func notANumberStaysVisible() {
    for kernels in Kernels.available {
      for columns in Self.columns {
        var row = [Float](repeating: 0.5, count: columns)
        row[columns / 2] = .nan
        var scores = row
        kernels.floats.softmax(&scores, columns, 1, columns)
        #expect(scores[columns / 2].isNaN, "softmax, \(kernels.name), \(columns) columns")
        var activated = row
        kernels.floats.gelu(&activated, columns, 1, columns)
        #expect(activated[columns / 2].isNaN, "gelu, \(kernels.name), \(columns) columns")
      }
    }
  }
}
