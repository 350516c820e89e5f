import Runtime

/// How the scale of an output channel's weights is chosen.
public enum WeightRange: String, Hashable, Sendable, Codable {
  /// The largest magnitude over the largest integer: nothing is clipped.
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

  var outputs: Int { values.count / inputs }
  /// The largest integer: 127 or 63.
  var limit: Float { Float((1 << (bits - 1)) - 1) }

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

  /// Tries clips from the largest magnitude down to half of it, in steps of a fiftieth.
  private func scale(
    of channel: UnsafeBufferPointer<Float>, _ range: WeightRange, _ power: [Float]
  ) -> Float {
    var largest: Float = 0
    for value in channel { largest = max(largest, abs(value)) }
    let widest = largest / limit
    guard range == .meanSquaredError, widest.isNormal else { return widest }
    var best = (error: Float.infinity, scale: widest)
    for step in 0...25 {
      let scale = widest * (1 - Float(step) / 50)
      let inverse = 1 / scale
      var error: Float = 0
      for index in channel.indices {
        let value = channel[index]
        let rounded = nearest(min(max(value * inverse, -limit), limit)) * scale
        error += power[index] * (value - rounded) * (value - rounded)
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
        for index in row * inputs..<(row + 1) * inputs {
          target[index] = Int8(nearest(min(max(values[index] * inverse, -limit), limit)))
        }
      }
      initialized = values.count
    }
  }
}

/// The nearest integer, ties to even; for magnitudes below 2^22.
@inline(__always)
func nearest(_ value: Float) -> Float {
  // Adding 1.5 * 2^23 leaves no bits for a fraction; unlike `rounded`, this becomes vector code.
  (value + 12_582_912) - 12_582_912
}
