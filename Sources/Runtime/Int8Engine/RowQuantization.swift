import CKernels
import Model

/// How rows of floats become unsigned bytes.
struct RowQuantization: Hashable {
  /// 7 or 8.
  let bits: Int
  /// The scale of all rows; nil where each has its own, chosen from its largest magnitude.
  let scale: Float?
  /// The integer that stands for zero.
  let zeroPoint: Int32

  /// The largest integer.
  var largest: Int32 { 1 << bits - 1 }

  /// Each row by a scale of its own.
  init(bits: Int) {
    self.init(bits: bits, scale: nil, zeroPoint: 1 << (bits - 1))
  }

  private init(bits: Int, scale: Float?, zeroPoint: Int32) {
    self.bits = bits
    self.scale = scale
    self.zeroPoint = zeroPoint
  }

  /// What a file says; nil for rows that stay in float.
  init?(_ input: Quantization.Input) {
    switch input {
    case .perRow(let bits): self.init(bits: bits)
    case .perTensor(let scale, let zeroPoint, let bits):
      self.init(bits: bits, scale: scale, zeroPoint: Int32(zeroPoint))
    case .float: return nil
    }
  }

  /// What products of such rows with a matrix of 7 or 8 bits are known to hold.
  func range(_ matrix: QuantizedMatrix, weightBits: Int) -> declip_int8_range {
    switch (bits, weightBits) {
    case (8, 8): matrix.keepsToPairLimit ? DECLIP_INT8_U8S8_PAIRED : DECLIP_INT8_U8S8
    case (8, _): DECLIP_INT8_U8S7
    case (_, 7): DECLIP_INT8_U7S7
    default: DECLIP_INT8_U7S8
    }
  }
}
