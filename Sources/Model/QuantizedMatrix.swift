/// A matrix of signed bytes with a scale for each output channel.
public struct QuantizedMatrix: Sendable {
  /// `[outputs, inputs]`, row-major.
  public let values: [Int8]
  /// `[outputs]`.
  public let scales: [Float]

  /// A matrix; nil where values do not divide into as many rows as there are scales.
  public init?(values: [Int8], scales: [Float]) {
    guard !scales.isEmpty, values.count % scales.count == 0 else { return nil }
    self.values = values
    self.scales = scales
  }

  /// The inputs of the layer.
  public var inputs: Int { values.count / scales.count }

  /// What neighbours `2i` and `2i + 1` of a row add up to at most, in magnitude, where products of
  /// both with unsigned bytes are to fit 16 bits together.
  public static let pairLimit = 128

  /// Whether all neighbours keep to `pairLimit`, with which instruction sets that add up two products
  /// in 16 bits multiply twice as fast.
  public var keepsToPairLimit: Bool {
    let inputs = inputs
    return values.withUnsafeBufferPointer { values in
      scales.indices.allSatisfy { row in
        var (low, high) = (Int16(0), Int16(0))
        for pair in 0..<inputs / 2 {
          let index = row * inputs + 2 * pair
          let sum = Int16(values[index]) + Int16(values[index + 1])
          low = min(low, sum)
          high = max(high, sum)
        }
        return Int(low) >= -Self.pairLimit && Int(high) <= Self.pairLimit
      }
    }
  }

  /// The largest magnitude of weights of 7 or 8 bits.
  static func largest(weightBits: Int) -> Int { weightBits == 7 ? 63 : 127 }
}

extension QuantizedMatrix {
  /// Rounds `weights`, `[outputs, inputs]` row-major, to the nearest integers of 7 or 8 bits; the
  /// largest magnitude of a channel becomes the largest integer.
  ///
  /// A channel too small for its scale to have an inverse becomes zeros. Throws `badData` for weights
  /// that are not finite or do not divide into `outputs` rows; `place` names the tensor.
  public init(
    rounding weights: [Float], outputs: Int, weightBits: Int, place: String
  ) throws(DeclipError) {
    guard outputs > 0, weights.count % outputs == 0 else {
      throw DeclipError(.badData, "has no whole rows", place: place)
    }
    let inputs = weights.count / outputs
    let limit = Float(Self.largest(weightBits: weightBits))
    var values = [Int8](repeating: 0, count: weights.count)
    var scales = [Float](repeating: 0, count: outputs)
    for row in 0..<outputs {
      let range = row * inputs..<(row + 1) * inputs
      var (largest, isFinite) = (Float(0), true)
      for index in range {
        largest = max(largest, abs(weights[index]))
        isFinite = isFinite && weights[index].isFinite
      }
      guard isFinite else {
        throw DeclipError(.badData, "holds values that are not finite", place: place)
      }
      scales[row] = largest / limit
      let inverse = largest > limit / Float.greatestFiniteMagnitude ? limit / largest : 0
      for index in range { values[index] = Int8((weights[index] * inverse).rounded()) }
    }
    self.values = values
    self.scales = scales
  }

  /// Writes `values * scales` to `destination`, which holds the elements' number.
  public func widen(into destination: UnsafeMutableBufferPointer<Float>) {
    let inputs = inputs
    values.withUnsafeBufferPointer { values in
      for (output, scale) in scales.enumerated() {
        for index in output * inputs..<(output + 1) * inputs {
          destination[index] = Float(values[index]) * scale
        }
      }
    }
  }

  /// Throws `badData` where the matrix does not keep to what a layer promises: values of its bits,
  /// finite scales of 0 or more. `place` names the tensor.
  public func validate(weightBits: Int, place: String) throws(DeclipError) {
    let largest = Self.largest(weightBits: weightBits)
    var (low, high) = (Int8(0), Int8(0))
    for value in values {
      low = min(low, value)
      high = max(high, value)
    }
    guard Int(low) >= -largest, Int(high) <= largest else {
      throw DeclipError(
        .badData, "holds \(Int(low) < -largest ? low : high)", place: place,
        expected: "-\(largest) to \(largest), as its weights have \(weightBits) bits")
    }
    guard scales.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
      throw DeclipError(
        .badData, "has a scale that is no finite number of 0 or more", place: place)
    }
  }
}
