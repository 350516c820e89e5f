/// Numbers as people read them.
public enum Format {
  /// A number with a fixed count of digits behind the point.
  public static func fixed(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite else { return "\(value)" }
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = (abs(value) * scale).rounded()
    guard scaled < 1e15 else { return "\(value)" }
    let whole = Int(scaled)
    let divisor = Int(scale)
    let sign = value < 0 && whole > 0 ? "-" : ""
    guard digits > 0 else { return "\(sign)\(whole)" }
    let fraction = String(whole % divisor)
    return "\(sign)\(whole / divisor)."
      + String(repeating: "0", count: digits - fraction.count) + fraction
  }

  /// A number of bytes in kB, MB or GB of 1000.
  public static func bytes(_ count: UInt64) -> String {
    let value = Double(count)
    return switch count {
    case ..<1000: "\(count) B"
    case ..<1_000_000: fixed(value / 1e3, 1) + " kB"
    case ..<1_000_000_000: fixed(value / 1e6, 1) + " MB"
    default: fixed(value / 1e9, 2) + " GB"
    }
  }

  /// A share as a percentage with one digit behind the point.
  public static func percent(_ share: Double) -> String {
    fixed(share * 100, 1) + " %"
  }
}
