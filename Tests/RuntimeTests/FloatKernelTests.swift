import CKernels
import Model
import Testing

@testable import Runtime

/// Every kernel set that this processor runs against the portable one, on row lengths around every
/// vector width, with a stride longer than the row and values up to saturation.
@Suite struct FloatKernelTests {
  private static let columns = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 64, 127, 768, 2730]
  private static let rows = 3
  private static let padding = 5

  private var variants: [Kernels] { Array(Kernels.available.dropFirst()) }
  private let reference = declip_float_portable

  private func values(_ count: Int, spread: Float, seed: UInt64) -> [Float] {
    var generator = SplitMix(seed: seed)
    return (0..<count).map { _ in (generator.uniform() * 2 - 1) * spread }
  }

  /// Runs `apply` with reference and variant on the same input and compares whole buffers, so that
  /// a write behind the end of a row shows too.
  private func compare(
    spread: Float, tolerance: (Float) -> Float,
    _ apply: (declip_float_kernels, UnsafeMutablePointer<Float>, _ stride: Int, _ columns: Int)
      -> Void
  ) {
    for kernels in variants {
      for columns in Self.columns {
        let stride = columns + Self.padding
        var expected = values(Self.rows * stride, spread: spread, seed: UInt64(columns))
        var found = expected
        apply(reference, &expected, stride, columns)
        apply(kernels.floats, &found, stride, columns)
        for (index, pair) in zip(expected, found).enumerated() {
          guard abs(pair.0 - pair.1) > tolerance(pair.0) else { continue }
          Issue.record(
            "\(kernels.name), \(columns) columns, element \(index): \(pair.1), not \(pair.0)")
          break
        }
      }
    }
  }

  @Test(arguments: [Float(0.01), 1, 100]) func layerNormEqualsReference(spread: Float) {
    compare(spread: spread, tolerance: { _ in 2e-5 }) { kernels, data, stride, columns in
      let gain = values(columns, spread: 2, seed: 1)
      let bias = values(columns, spread: 1, seed: 2)
      kernels.layer_norm(
        data, stride, gain, bias, 1e-6, data, stride, Self.rows, columns)
    }
  }

  @Test(arguments: [Float(0), 1, 30, 1e4]) func softmaxEqualsReference(spread: Float) {
    compare(spread: spread, tolerance: { max(1e-6, 1e-6 * abs($0)) }) {
      kernels, data, stride, columns in
      kernels.softmax(data, stride, Self.rows, columns)
    }
  }

  @Test(arguments: [Float(0), 1, 10, 1e4]) func activationsEqualReference(spread: Float) {
    let tolerance: (Float) -> Float = { max(1e-6, 1e-6 * abs($0)) }
    compare(spread: spread, tolerance: tolerance) { kernels, data, stride, columns in
      kernels.quick_gelu(data, stride, Self.rows, columns)
    }
    compare(spread: spread, tolerance: tolerance) { kernels, data, stride, columns in
      kernels.gelu(data, stride, Self.rows, columns)
    }
    compare(spread: spread, tolerance: tolerance) { kernels, data, stride, columns in
      kernels.gelu_tanh(data, stride, Self.rows, columns)
    }
    compare(spread: spread, tolerance: tolerance) { kernels, data, stride, columns in
      let up = values(Self.rows * columns, spread: 1, seed: 3)
      kernels.silu_multiply(data, stride, up, columns, Self.rows, columns)
    }
  }

  @Test func biasEqualsReference() {
    compare(spread: 1, tolerance: { _ in 0 }) { kernels, data, stride, columns in
      kernels.add_bias(data, stride, values(columns, spread: 1, seed: 4), Self.rows, columns)
    }
  }

  @Test(arguments: [(1, 4), (3, 8), (2, 64), (5, 20)])
  func rotationEqualsReference(heads: Int, size: Int) {
    for kernels in variants {
      let angles = values(Self.rows * size / 2, spread: 1, seed: 5)
      let sines = values(Self.rows * size / 2, spread: 1, seed: 6)
      var expected = values(Self.rows * heads * size, spread: 3, seed: 7)
      var found = expected
      reference.rotate(&expected, heads * size, angles, sines, Self.rows, heads, size)
      kernels.floats.rotate(&found, heads * size, angles, sines, Self.rows, heads, size)
      for (a, b) in zip(expected, found) { #expect(abs(a - b) < 1e-6) }
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
