import Model
import Runtime

/// How the scale of an output channel's weights is chosen.
public enum WeightRange: String, Hashable, Sendable, Codable {
  /// The least scale with which no weight and no pair of neighbours is clipped.
  case minMax = "min-max"
  /// The scale of the least squared error, each weight's counting as much as its input's power.
  case meanSquaredError = "mse"
}

/// A linear layer's matrix in floats and what its integers may hold.
struct WeightMatrix {
  /// `[outputs, inputs]`, row-major.
  var values: [Float]
  let inputs: Int
  /// 7 or 8.
  let bits: Int
  /// Whether neighbours keep to `QuantizedMatrix.pairLimit`.
  var limitsPairs = true

  var outputs: Int { values.count / inputs }
  /// The largest integer: 127 or 63.
  var limit: Float { Float((1 << (bits - 1)) - 1) }
  /// The largest magnitude of a sum of neighbours, which are columns 2i and 2i + 1.
  var pairLimit: Float { limitsPairs ? Float(QuantizedMatrix.pairLimit) : 2 * limit }

  /// The scale of every output channel. `power` is the mean square of every input.
  func scales(_ range: WeightRange, power: [Double], pool: WorkerPool) -> [Float] {
    var scales = [Float](repeating: 0, count: outputs)
    let power = power.map { Float($0) }
    scales.withUnsafeMutableBufferPointer { scales in
      nonisolated(unsafe) let scales = scales
      pool.run(jobs: outputs) { row in
        values.withUnsafeBufferPointer { values in
          let channel = UnsafeBufferPointer(rebasing: values[row * inputs..<(row + 1) * inputs])
          scales[row] = scale(of: channel, range, power)
        }
      }
    }
    return scales
  }

  /// Tries clips from the widest range down to half of it, in steps of a fiftieth.
  private func scale(
    of channel: UnsafeBufferPointer<Float>, _ range: WeightRange, _ power: [Float]
  ) -> Float {
    var (largest, largestPair) = (Float(0), Float(0))
    for value in channel { largest = max(largest, abs(value)) }
    for pair in 0..<inputs / 2 {
      largestPair = max(largestPair, abs(channel[2 * pair] + channel[2 * pair + 1]))
    }
    let widest = max(largest / limit, largestPair / pairLimit)
    guard range == .meanSquaredError, widest.isNormal else { return widest }
    var best = (error: Float.infinity, scale: widest)
    for step in 0...25 {
      let scale = widest * (1 - Float(step) / 50)
      let inverse = 1 / scale
      var error: Float = 0
      for index in stride(from: 0, to: inputs - 1, by: 2) {
        let (first, second) = (channel[index], channel[index + 1])
        let rounded = roundedPair(first * inverse, second * inverse)
        let errors = (rounded.0 * scale - first, rounded.1 * scale - second)
        error += power[index] * errors.0 * errors.0 + power[index + 1] * errors.1 * errors.1
      }
      if inputs % 2 != 0, let value = channel.last, let power = power.last {
        let rounded = nearest(min(max(value * inverse, -limit), limit)) * scale
        error += power * (value - rounded) * (value - rounded)
      }
      if error < best.error { best = (error, scale) }
    }
    return best.scale
  }

  /// Every weight rounded to the nearest integer of its channel.
  func rounded(_ scales: [Float], pool: WorkerPool) -> [Int8] {
    [Int8](unsafeUninitializedCapacity: values.count) { target, initialized in
      nonisolated(unsafe) let target = target
      pool.run(jobs: outputs) { row in
        let inverse = scales[row].isNormal ? 1 / scales[row] : 0
        let (start, end) = (row * inputs, (row + 1) * inputs)
        for index in stride(from: start, to: end - 1, by: 2) {
          let rounded = roundedPair(values[index] * inverse, values[index + 1] * inverse)
          target[index] = Int8(rounded.0)
          target[index + 1] = Int8(rounded.1)
        }
        if inputs % 2 != 0 {
          target[end - 1] = Int8(nearest(min(max(values[end - 1] * inverse, -limit), limit)))
        }
      }
      initialized = values.count
    }
  }

  /// The nearest integers for two neighbours, in units of their scale.
  @inline(__always)
  private func roundedPair(_ first: Float, _ second: Float) -> (Float, Float) {
    let rounded = rounded(first, before: second)
    return (rounded, self.rounded(second, after: rounded))
  }

  @inline(__always)
  private func limited(_ value: Float) -> Float { min(max(value, -limit), limit) }

  /// The first of two neighbours, in units of their scale. What is too much for both, each gives up
  /// half of.
  @inline(__always)
  func rounded(_ value: Float, before neighbour: Float) -> Float {
    let value = limited(value)
    let sum = value + limited(neighbour)
    let excess = max(sum - pairLimit, 0) + min(sum + pairLimit, 0)
    return nearest(value - excess / 2)
  }

  /// The second of two neighbours, of which the first is an integer already.
  @inline(__always)
  func rounded(_ value: Float, after neighbour: Float) -> Float {
    min(max(nearest(limited(value)), -pairLimit - neighbour), pairLimit - neighbour)
  }
}

/// The nearest integer, ties to even; for magnitudes below 2^22.
@inline(__always)
func nearest(_ value: Float) -> Float {
  // Adding 1.5 * 2^23 leaves no bits for a fraction; unlike `rounded`, this becomes vector code.
  (value + 12_582_912) - 12_582_912
}
