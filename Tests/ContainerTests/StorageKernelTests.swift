import CKernels
import Testing

@testable import Model

/// Every storage kernel against its plain reference, and the references against known values.
@Suite struct StorageKernelTests {
  /// Not multiples of any vector, and some that are.
  private static let lengths = [0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 127, 1000, 1021]

  /// Values where conversions go wrong: signs, denormals, halves between two results, limits,
  /// infinities, NaNs of both kinds.
  private static let patterns: [UInt32] = {
    var list: [UInt32] = [
      0, 1, 0x007F_FFFF, 0x0080_0000, 0x3300_0000, 0x3300_0001, 0x3380_0000, 0x387F_C000,
      0x387F_E000, 0x387F_F000, 0x3880_0000, 0x3880_1000, 0x3880_3000, 0x3F80_0000, 0x3F80_8000,
      0x3F81_8000, 0x3F80_1000, 0x3F80_3000, 0x477F_E000, 0x477F_EFFF, 0x477F_F000, 0x4780_0000,
      0x7F7F_0000, 0x7F7F_7FFF, 0x7F7F_8000, 0x7F7F_FFFF, 0x7F80_0000, 0x7F80_0001, 0x7FA0_0000,
      0x7FC0_0000, 0x7FFF_FFFF,
    ]
    list += list.map { $0 | 0x8000_0000 }
    return list
  }()

  private func floats(_ count: Int, seed: UInt64) -> [Float] {
    var generator = Seeded(seed)
    return (0..<count).map { index in
      let patterns = StorageKernelTests.patterns
      let random = UInt32(truncatingIfNeeded: generator.next())
      return Float(bitPattern: index < patterns.count ? patterns[index] : random)
    }
  }

  @Test func everyHalfWidensAsTheReferenceDoes() {
    let halves = (0...UInt16.max).map { $0 }
    // An odd count leaves a tail to the scalar code.
    var fast = [Float](repeating: 0, count: 65535)
    var plain = fast
    declip_f16_to_f32(halves, &fast, 65535)
    declip_f16_to_f32_reference(halves, &plain, 65535)
    #expect(fast.map(\.bitPattern) == plain.map(\.bitPattern))
    #expect(plain[0x3C00] == 1 && plain[0xC000] == -2 && plain[0x7BFF] == 65504)
    #expect(plain[1] == 0x1p-24 && plain[0x03FF] == 0x1.FF8p-15 && plain[0x0400] == 0x1p-14)
    #expect(plain[0x8000].sign == .minus && plain[0x8000] == 0)
    #expect(plain[0x7C00] == .infinity && plain[0x7C01].bitPattern == 0x7FC0_2000)
  }

  @Test func everyHalfSurvivesTheWayThere() {
    let halves = (0...UInt16.max).map { $0 }
    var wide = [Float](repeating: 0, count: halves.count)
    var back = [UInt16](repeating: 0, count: halves.count)
    declip_f16_to_f32(halves, &wide, halves.count)
    declip_f32_to_f16(wide, &back, halves.count)
    for (half, result) in zip(halves, back) {
      let isSignalling = half & 0x7C00 == 0x7C00 && half & 0x3FF != 0
      #expect(result == (isSignalling ? half | 0x200 : half))
    }
  }

  @Test func narrowingRoundsToNearestEven() {
    let cases: [(Float, UInt16, UInt16)] = [
      (1, 0x3C00, 0x3F80), (1 + 0x1p-11, 0x3C00, 0x3F80), (1 + 0x3p-11, 0x3C02, 0x3F80),
      (1 + 0x1p-8, 0x3C04, 0x3F80), (1 + 0x3p-8, 0x3C0C, 0x3F82), (65519, 0x7BFF, 0x4780),
      (65520, 0x7C00, 0x4780), (0x1p-25, 0, 0x3300), (0x1.8p-24, 2, 0x33C0),
      (0x1.000002p-25, 1, 0x3300), (-.infinity, 0xFC00, 0xFF80),
      (.greatestFiniteMagnitude, 0x7C00, 0x7F80), (-0.0, 0x8000, 0x8000),
    ]
    for (value, half, upper) in cases {
      var (source, result) = (value, UInt16(0))
      declip_f32_to_f16_reference(&source, &result, 1)
      #expect(result == half, "\(value)")
      declip_f32_to_bf16_reference(&source, &result, 1)
      #expect(result == upper, "\(value)")
    }
  }

  @Test(arguments: lengths)
  func conversionsMatchTheirReferences(length: Int) {
    let source = floats(length, seed: 21)
    var (fast, plain) = ([UInt16](repeating: 7, count: length + 1), [UInt16]())
    plain = fast
    declip_f32_to_f16(source, &fast, length)
    declip_f32_to_f16_reference(source, &plain, length)
    #expect(fast == plain)
    declip_f32_to_bf16(source, &fast, length)
    declip_f32_to_bf16_reference(source, &plain, length)
    #expect(fast == plain)

    var (wideFast, widePlain) = ([Float](repeating: 7, count: length + 1), [Float]())
    widePlain = wideFast
    declip_bf16_to_f32(fast, &wideFast, length)
    declip_bf16_to_f32_reference(plain, &widePlain, length)
    #expect(wideFast.map(\.bitPattern) == widePlain.map(\.bitPattern))
    #expect(wideFast[length] == 7)

    var generator = Seeded(22)
    let doubles = source.map { Double($0) * Double.random(in: 0.5...2, using: &generator) }
    declip_f64_to_f32(doubles, &wideFast, length)
    declip_f64_to_f32_reference(doubles, &widePlain, length)
    #expect(wideFast.map(\.bitPattern) == widePlain.map(\.bitPattern))
  }

  @Test func valuesBeyondALimitAreCounted() {
    let values: [Float] = [
      0, 65519, 65520, -65520, 1e30, .infinity, -.infinity, .nan, -.greatestFiniteMagnitude,
    ]
    #expect(declip_f32_count_beyond(values, values.count, 65520) == 4)
    let doubles: [Double] = [1e38, 3.5e38, -1e300, .infinity, .nan, 0]
    #expect(declip_f64_count_beyond(doubles, doubles.count, 0x1.ffffffp127) == 2)
  }

  @Test(arguments: [2, 4, 8], lengths)
  func planesMatchTheirReference(width: Int, count: Int) {
    var generator = Seeded(23)
    let source = (0..<count * width + 1).map { _ in UInt8.random(in: 0...255, using: &generator) }
    var (fast, plain) = ([UInt8](repeating: 7, count: count * width + 1), [UInt8]())
    plain = fast
    declip_planes_split(source, &fast, count, width)
    declip_planes_split_reference(source, &plain, count, width)
    #expect(fast == plain)
    var (joined, joinedPlain) = (plain, plain)
    declip_planes_join(fast, &joined, count, width)
    declip_planes_join_reference(plain, &joinedPlain, count, width)
    #expect(joined == joinedPlain)
    #expect(joined.dropLast() == source.dropLast())
    #expect(joined.last == 7)
  }

  @Test func planesHoldTheFirstBytesFirst() {
    var planes = [UInt8](repeating: 0, count: 8)
    declip_planes_split([0x11, 0x12, 0x13, 0x14, 0x21, 0x22, 0x23, 0x24] as [UInt8], &planes, 2, 4)
    #expect(planes == [0x11, 0x21, 0x12, 0x22, 0x13, 0x23, 0x14, 0x24])
  }

  @Test(arguments: [7, 8], [0, 8, 16, 24, 64, 120, 128, 136, 1000, 4096, 8200])
  func bitPlanesMatchTheirReference(bits: Int, count: Int) {
    var generator = Seeded(24)
    let range: ClosedRange<Int8> = bits == 7 ? -64...63 : -128...127
    // Both ends, and everything between.
    let values = (0..<count).map {
      $0 < 2
        ? ($0 == 0 ? range.lowerBound : range.upperBound) : .random(in: range, using: &generator)
    }
    var planes = [UInt8](repeating: 0xA5, count: count * bits / 8 + 1)
    declip_bits_split(values, &planes, count, bits)
    #expect(planes.last == 0xA5)
    var (joined, plain) = ([Int8](repeating: 99, count: count + 1), [Int8]())
    plain = joined
    declip_bits_join(planes, &joined, count, bits)
    declip_bits_join_reference(planes, &plain, count, bits)
    #expect(joined == plain)
    #expect(joined.dropLast() == values[...])
    #expect(joined.last == 99)
  }

  /// The lines of formats/declip.md.
  @Test func bitPlanesHoldTheUpperBitsFirst() {
    var planes = [UInt8](repeating: 0, count: 8)
    declip_bits_split([-128, -1, 0, 127, 1, 2, 3, 100], &planes, 8, 8)
    // 00000000 01111111 10000000 11111111 10000001 10000010 10000011 11100100
    #expect(
      planes == [
        0b10_10_10_00, 0b11_10_11_01,  // values 0, 2, 4, 6, then 1, 3, 5, 7
        0b00_00_00_00, 0b10_00_11_11, 0x10, 0x2F, 0x30, 0x4F,
      ])
    declip_bits_split([-64, -1, 0, 63, 1, 2, 3, 50], &planes, 8, 7)
    // 0000000 0111111 1000000 1111111 1000001 1000010 1000011 1110010
    #expect(
      planes.dropLast() == [
        0b10_10_10_00, 0b11_10_11_01, 0b1000_1010, 0x10, 0x2F, 0x30, 0x2F,
      ])
  }

  /// Values of the reference implementation (python-xxhash 4.1.0) for the bytes 0, 1, 2, ... modulo 251.
  @Test func checksumMatchesTheReferenceImplementation() {
    let expected: [(length: Int, seed: UInt64, hash: UInt64)] = [
      (0, 0, 0xEF46_DB37_51D8_E999),
      (0, 2654435761, 0xAC75_FDA2_929B_17EF),
      (1, 0, 0xE934_A84A_DB05_2768),
      (3, 0, 0xE5C7_BB45_33BC_65DD),
      (4, 0, 0xFFCE_D860_4453_CC1E),
      (4, 2654435761, 0xB8F1_A518_93FA_14E6),
      (5, 0, 0xDD02_7438_6E26_030C),
      (7, 0, 0x14CC_643F_630C_72D2),
      (8, 0, 0x884A_1736_14B8_1B8D),
      (8, 2654435761, 0xCB74_EF9D_044D_CF44),
      (9, 0, 0x67D8_5784_A7C7_8C5B),
      (12, 0, 0x424A_F23F_1F08_DCA5),
      (12, 2654435761, 0x360A_9AD6_5866_8EBC),
      (15, 0, 0xA948_F5F0_F6AB_AC2D),
      (16, 0, 0x44B6_EF2F_B841_69F7),
      (16, 2654435761, 0x673E_90AE_BEAC_5689),
      (31, 0, 0xC346_D2B5_9B4D_8EE1),
      (32, 0, 0xCBF5_9C51_16FF_32B4),
      (32, 2654435761, 0x7181_3547_74E0_D600),
      (33, 0, 0x0C53_5D1A_CAFB_8EAD),
      (36, 0, 0xDDE0_EF85_E3AE_F05C),
      (36, 2654435761, 0x9089_343C_8E92_D386),
      (40, 0, 0xF5DA_40F1_B117_41E9),
      (40, 2654435761, 0x611D_9E09_BC23_B46A),
      (63, 0, 0xE26A_A9E2_A95F_8E4F),
      (64, 0, 0xF7C6_7301_DB67_13F0),
      (64, 2654435761, 0x6E54_5403_B828_CF8B),
      (65, 0, 0xC31E_B63B_2AE4_465B),
      (100, 0, 0x6AC1_E580_3216_6597),
      (100, 2654435761, 0x8832_442A_8828_4F11),
      (255, 0, 0x566D_96B8_32B9_67C1),
      (1000, 0, 0xF306_F04A_A88B_54D3),
      (1000, 2654435761, 0x1C04_CEB2_C089_C610),
    ]
    for (length, seed, hash) in expected {
      let bytes = (0..<length).map { UInt8($0 % 251) }
      #expect(declip_xxh64(bytes, length, seed) == hash, "\(length) bytes, seed \(seed)")
    }
  }
}
