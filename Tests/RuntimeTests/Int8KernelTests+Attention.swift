import CKernels
import Foundation
import Testing

@testable import Runtime

/// Int8 attention of every kernel set against double precision and against the portable set.
@Suite struct Int8AttentionTests {
  private struct Inputs {
    var tokens, headSize: Int
    var queries, keys, values: [Float]
    var scale: Float { 1 / Float(headSize).squareRoot() }

    /// Normally distributed operands; `spread` is about the standard deviation of the scores.
    init(tokens: Int, headSize: Int, spread: Float) {
      var generator = SplitMix(seed: UInt64(tokens * 1000 + headSize))
      func normal() -> Float {
        let radius = (-2 * log(Double(generator.uniform()) + 1e-9)).squareRoot()
        return Float(radius * cos(2 * .pi * Double(generator.uniform())))
      }
      self.tokens = tokens
      self.headSize = headSize
      queries = (0..<tokens * headSize).map { _ in normal() * spread }
      keys = (0..<tokens * headSize).map { _ in normal() }
      values = (0..<tokens * headSize).map { _ in normal() }
    }
  }

  private var sets: [(name: String, kernels: declip_int8_attention)] {
    var list: [(name: String, kernels: declip_int8_attention)] = []
    while let set = declip_kernels_available(list.count) {
      list.append(
        (String(cString: set.pointee.name), set.pointee.ints.pointee.attention.pointee))
    }
    return list
  }

  private func reference(_ inputs: Inputs) -> [Double] {
    let size = inputs.headSize
    var output = [Double](repeating: 0, count: inputs.tokens * size)
    for row in 0..<inputs.tokens {
      var scores = [Double](repeating: 0, count: inputs.tokens)
      for key in 0..<inputs.tokens {
        for c in 0..<size {
          let query = Double(inputs.queries[row * size + c] * inputs.scale)
          scores[key] += query * Double(inputs.keys[key * size + c])
        }
      }
      let peak = scores.max() ?? 0
      scores = scores.map { exp($0 - peak) }
      let total = scores.reduce(0, +)
      for key in 0..<inputs.tokens {
        for c in 0..<size {
          output[row * size + c] += scores[key] / total * Double(inputs.values[key * size + c])
        }
      }
    }
    return output
  }

  private func attend(
    _ kernels: declip_int8_attention, _ inputs: Inputs, limit: Int32, valueLimit: Int32
  ) -> [Float] {
    let tokens = inputs.tokens, size = inputs.headSize
    var queries = [Int16](repeating: 0, count: tokens * size)
    var keys = queries
    var queryScale = [Float](repeating: 0, count: tokens)
    var keyScale = queryScale
    kernels.rotate_quantize(
      inputs.queries, size, nil, nil, nil, tokens, size, limit, &queries, size, &queryScale)
    kernels.rotate_quantize(
      inputs.keys, size, nil, nil, nil, tokens, size, limit, &keys, size, &keyScale)
    func memory(_ bytes: Int) -> UnsafeMutableRawPointer {
      .allocate(byteCount: bytes, alignment: 64)
    }
    let packedKeys = memory(kernels.keys_size(tokens, size, limit))
    let packedValues = memory(kernels.values_size(tokens, size, valueLimit))
    let scratch = memory(kernels.scratch_size(tokens))
    defer { for pointer in [packedKeys, packedValues, scratch] { pointer.deallocate() } }
    kernels.pack_keys(keys, size, keyScale, tokens, size, limit, packedKeys)
    kernels.pack_values(inputs.values, size, tokens, size, valueLimit, packedValues)
    var head = declip_int8_head(
      tokens: tokens, score_size: size, head_size: size, key_limit: limit,
      value_limit: valueLimit, softmax_scale: inputs.scale, keys: packedKeys, values: packedValues,
      ticks: nil)
    var output = [Float](repeating: 0, count: tokens * size)
    kernels.attend(&head, queries, size, queryScale, tokens, &output, size, scratch)
    return output
  }

  /// Rows of several heads side by side, as mode `all` has them, with every channel at its limit:
  /// sums that left 32 bits would turn the most alike keys into the least.
  @Test(arguments: [16, 64, 192, 384]) func sumsOfManyChannelsFit(channels: Int) {
    let (tokens, size) = (40, 16)
    let limit = min(Int32(DECLIP_INT8_SCORES_WIDE), Int8Engine.exactLimit(channels: channels))
    #expect(channels * Int(limit) * Int(limit) <= Int(Int32.max))
    for (name, kernels) in sets {
      // Two kinds of keys, the queries' own and the opposite.
      let keys = (0..<tokens * channels).map { Int16($0 / channels % 2 == 0 ? limit : -limit) }
      let queries = [Int16](repeating: Int16(limit), count: tokens * channels)
      let keyScale = [Float](repeating: 1 / Float(limit), count: tokens)
      let values = (0..<tokens * size).map { Float($0 / size % 2 == 0 ? 1 : -1) }
      func memory(_ bytes: Int) -> UnsafeMutableRawPointer {
        .allocate(byteCount: bytes, alignment: 64)
      }
      let valueLimit = Int32(DECLIP_INT8_VALUES_WIDE)
      let packedKeys = memory(kernels.keys_size(tokens, channels, limit))
      let packedValues = memory(kernels.values_size(tokens, size, valueLimit))
      let scratch = memory(kernels.scratch_size(tokens))
      defer { for pointer in [packedKeys, packedValues, scratch] { pointer.deallocate() } }
      kernels.pack_keys(keys, channels, keyScale, tokens, channels, limit, packedKeys)
      kernels.pack_values(values, size, tokens, size, valueLimit, packedValues)
      // Scores are 1/2 and -1/2.
      var head = declip_int8_head(
        tokens: tokens, score_size: channels, head_size: size, key_limit: limit,
        value_limit: valueLimit, softmax_scale: 0.5 / Float(channels), keys: packedKeys,
        values: packedValues, ticks: nil)
      var output = [Float](repeating: 0, count: tokens * size)
      kernels.attend(&head, queries, channels, keyScale, tokens, &output, size, scratch)
      let share = exp(0.5) / (exp(0.5) + exp(-0.5))
      for value in output {
        #expect(abs(Double(value) - (2 * share - 1)) < 2e-3, "\(name), \(channels) channels")
      }
    }
  }

  /// The root mean square of the difference relative to that of the reference.
  private func error(_ found: [Float], _ reference: [Double]) -> Double {
    var apart = 0.0, whole = 0.0
    for (value, wanted) in zip(found, reference) {
      apart += (Double(value) - wanted) * (Double(value) - wanted)
      whole += wanted * wanted
    }
    return (apart / whole).squareRoot()
  }

  /// Bytes for queries and keys cost 0.9 % where scores vary by 1, more where they vary by more;
  /// words of 13 bits cost 0.25 % at most, whatever the scores. Bytes for values and weights cost
  /// about 1 % more, and twice as much with 7 bits.
  @Test(arguments: [(1, 16), (5, 64), (17, 16), (33, 80), (65, 128), (129, 48), (300, 64)])
  func attentionEqualsReference(tokens: Int, headSize: Int) {
    for spread: Float in [1, 4] {
      let inputs = Inputs(tokens: tokens, headSize: headSize, spread: spread)
      let expected = reference(inputs)
      for (limit, valueLimit) in limits {
        let portable = attend(
          declip_int8_portable.attention.pointee, inputs, limit: limit, valueLimit: valueLimit)
        let narrow = (limit > 63 ? 1 : 2) * (spread > 1 ? 0.025 : 0.012)
        let bound =
          (limit > 127 ? 0.004 : narrow) + (valueLimit > 127 ? 0 : valueLimit > 63 ? 0.012 : 0.024)
        for (name, kernels) in sets {
          let found = attend(kernels, inputs, limit: limit, valueLimit: valueLimit)
          let what = "\(name), limits \(limit) and \(valueLimit), spread \(spread)"
          #expect(error(found, expected) < bound, "\(what)")
          #expect(found == portable, "\(what)")
        }
      }
    }
  }

  /// Every width of queries and keys with every width of values.
  private let limits = [
    DECLIP_INT8_SCORES_SLIM, DECLIP_INT8_SCORES_NARROW, DECLIP_INT8_SCORES_WIDE,
  ].flatMap { limit in
    [DECLIP_INT8_VALUES_SLIM, DECLIP_INT8_VALUES_NARROW, DECLIP_INT8_VALUES_WIDE].map {
      (Int32(limit), Int32($0))
    }
  }

  /// Sums of 32 bits hold the largest operands there are: every key and query at its limit, and all
  /// values of the first chunks.
  @Test func extremesDoNotOverflow() {
    let size = Int(DECLIP_INT8_HEAD_LIMIT)
    var inputs = Inputs(tokens: 600, headSize: size, spread: 1)
    for sign: Float in [1, -1] {
      inputs.queries = [Float](repeating: 1, count: 600 * size)
      inputs.keys = [Float](repeating: sign, count: 600 * size)
      inputs.values = (0..<600 * size).map { $0 < 256 * size ? sign * 3 : -sign * 3 }
      let mean = sign * 3 * (256 - 344) / 600
      for (limit, valueLimit) in limits {
        for (name, kernels) in sets {
          let found = attend(kernels, inputs, limit: limit, valueLimit: valueLimit)
          let bound: Float = valueLimit > 63 ? 0.02 : 0.04
          #expect(found.allSatisfy { abs($0 - mean) < bound }, "\(name)")
        }
      }
    }
  }

  /// Where all queries are zero every key weighs the same, and padding weighs nothing.
  @Test func zeroQueriesAverageTheValues() {
    var inputs = Inputs(tokens: 37, headSize: 32, spread: 1)
    inputs.queries = [Float](repeating: 0, count: 37 * 32)
    let expected = reference(inputs)
    for (name, kernels) in sets {
      for (limit, valueLimit, bound) in [(127, 2047, 1e-3), (63, 63, 0.04)]
        as [(Int32, Int32, Double)]
      {
        let found = attend(kernels, inputs, limit: limit, valueLimit: valueLimit)
        #expect(error(found, expected) < bound, "\(name)")
      }
    }
  }

  /// The smallest scores are far below zero, so that padding must not count as the largest.
  @Test func paddingIsNeverThePeak() {
    var inputs = Inputs(tokens: 21, headSize: 64, spread: 20)
    inputs.queries = inputs.queries.map { abs($0) }
    inputs.keys = inputs.keys.map { -abs($0) }
    let expected = reference(inputs)
    for (name, kernels) in sets {
      let limit = Int32(DECLIP_INT8_SCORES_WIDE)
      let found = attend(kernels, inputs, limit: limit, valueLimit: 2047)
      #expect(error(found, expected) < 0.05, "\(name)")
    }
  }

  @Test func powersAreExactToAMillionth() {
    let input = (0..<10_007).map { -126 + 252 * Float($0) / 10_007 }
    for (name, kernels) in sets {
      var output = [Float](repeating: 0, count: input.count)
      kernels.powers(input, input.count, &output)
      let worst = zip(input, output).map { abs(Double($1) / exp2(Double($0)) - 1) }.max() ?? 1
      #expect(worst < 1e-6, "\(name)")
    }
  }

  /// Half, and what the power's error makes of the largest weight.
  private let weightBounds: [(limit: Int32, bound: Double)] = [
    (Int32(DECLIP_INT8_WEIGHT_SLIM), 0.5 + 127 * 0.0022),
    (Int32(DECLIP_INT8_WEIGHT_NARROW), 0.5 + 255 * 0.0004),
    (Int32(DECLIP_INT8_WEIGHT_WIDE), 0.5 + 8191 * 4e-6),
  ]

  @Test(arguments: [1, 7, 16, 33, 1226]) func weightsRoundTheExponential(count: Int) {
    var generator = SplitMix(seed: UInt64(count))
    var scores = (0..<count).map { _ in -30 * generator.uniform() }
    scores[count / 2] = 0
    for (name, kernels) in sets {
      for (limit, bound) in weightBounds {
        var weights = [Int16](repeating: -1, count: count + 4)
        let sum = kernels.softmax_weights(scores, count, 0, 0.5, limit, &weights)
        #expect(sum == weights[..<count].reduce(Int32(0)) { $0 + Int32($1) }, "\(name)")
        #expect(weights[count...].allSatisfy { $0 == -1 }, "\(name)")
        for (score, weight) in zip(scores, weights) {
          let wanted = Double(limit) * exp(Double(score) * 0.5)
          #expect(abs(Double(weight) - wanted) < bound, "\(name), \(limit)")
        }
      }
    }
  }

  @Test(arguments: [16, 48, 64, 128]) func rotatedRowsEqualPortable(size: Int) {
    let tokens = 5
    let inputs = Inputs(tokens: tokens, headSize: size, spread: 1)
    let cosines = (0..<tokens * size / 2).map { Float(cos(0.1 * Double($0))) }
    let sines = (0..<tokens * size / 2).map { Float(sin(0.1 * Double($0))) }
    func run(_ kernels: declip_int8_attention, limit: Int32) -> ([Int16], [Float]) {
      var words = [Int16](repeating: 0, count: tokens * size)
      var scales = [Float](repeating: 0, count: tokens)
      kernels.rotate_quantize(
        inputs.queries, size, cosines, sines, inputs.keys, tokens, size, limit, &words, size,
        &scales)
      return (words, scales)
    }
    for limit: Int32 in [127, 4095] {
      let (expected, expectedScales) = run(declip_int8_portable.attention.pointee, limit: limit)
      #expect(expected.map { abs(Int32($0)) }.max() == limit)
      for (name, kernels) in sets {
        let (found, scales) = run(kernels, limit: limit)
        #expect(found == expected, "\(name)")
        #expect(scales == expectedScales, "\(name)")
      }
    }
  }
}
