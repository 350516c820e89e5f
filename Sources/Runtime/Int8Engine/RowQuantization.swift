import CKernels
import Model

/// How rows of floats become unsigned bytes.
struct RowQuantization: Hashable {
  /// 7 or 8; 14 or 15 of rows that products read as two planes of bytes (`RowPlane`).
  let bits: Int
  /// The scale of all rows; nil where each has its own, chosen from its largest magnitude.
  let scale: Float?
  /// The integer that stands for zero.
  let zeroPoint: Int32

  /// The largest integer.
  var largest: Int32 { 1 << bits - 1 }

  /// Whether rows are two planes of bytes.
  var isWide: Bool { bits > 8 }

  /// The bits of a row's bytes, 7 or 8; of two planes those of the upper one, as the lower has 7.
  var byteBits: Int { isWide ? bits - RowPlane.lowerBits : bits }

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

  /// The integer that stands for zero in a plane.
  func zeroPoint(of plane: RowPlane) -> Int32 {
    switch plane {
    case .upper: isWide ? zeroPoint >> RowPlane.lowerBits : zeroPoint
    case .lower: 0
    }
  }
}

/// The bytes of a quantised row, or of integers of 14 or 15 bits one of two parts: products take bytes,
/// and the sum of both parts' products is that of the whole.
enum RowPlane: CaseIterable {
  /// All of an integer, or its upper 7 or 8 bits.
  case upper
  /// The lower 7 bits.
  case lower

  /// The bits of `lower`.
  static let lowerBits = 7
}
