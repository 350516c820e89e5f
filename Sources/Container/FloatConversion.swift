import CKernels
import Model

/// From stored types to float32.
enum FloatConversion {
  /// Writes the elements of `source` to `destination`, which holds their number.
  ///
  /// Throws `badData` for a type that is no float.
  static func widen(
    _ source: UnsafeRawBufferPointer, _ type: DataType,
    _ destination: UnsafeMutableBufferPointer<Float>
  ) throws(DeclipError) {
    let count = min(destination.count, source.count / type.byteWidth)
    guard let base = source.baseAddress, let target = destination.baseAddress else { return }
    switch type {
    case .float32: UnsafeMutableRawPointer(target).copyMemory(from: base, byteCount: count * 4)
    case .float16: declip_f16_to_f32(base, target, count)
    case .bfloat16: declip_bf16_to_f32(base, target, count)
    case .float64: declip_f64_to_f32(base, target, count)
    case .int8, .uint8, .int32, .int64, .bool:
      throw DeclipError(
        .badData, "holds \(type.rawValue)", expected: "a floating-point type")
    }
  }
}
