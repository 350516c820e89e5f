import Foundation

/// The values of an activation as a small drawing: how often they occur, on a logarithmic scale, and
/// where they are clipped.
struct HistogramChart {
  private let distribution: CalibrationRecord.Distribution
  private static let (width, height) = (260.0, 84.0)
  /// Bars that are drawn; finer histograms are added up.
  private static let mostBars = 130

  init(_ distribution: CalibrationRecord.Distribution) { self.distribution = distribution }

  /// An `svg` element.
  var markup: String {
    let (low, high) = (distribution.minimum, distribution.maximum)
    let (width, height) = (Self.width, Self.height)
    var parts = [
      "<svg viewBox=\"0 0 \(Int(width)) \(Int(height) + 16)\" width=\"\(Int(width))\" "
        + "height=\"\(Int(height) + 16)\" role=\"img\">"
    ]
    if let clip = distribution.clip, high > low {
      // What integers cover lies on white; what is cut off on red.
      let (left, right) = (position(clip.low), position(clip.high))
      if left > 0 { parts.append(rectangle(0, left, "cut")) }
      if right < width { parts.append(rectangle(right, width, "cut")) }
    }
    parts.append("<path class=\"bars\" d=\"\(bars)\"/>")
    if let clip = distribution.clip, high > low {
      for edge in [clip.low, clip.high] where edge >= low && edge <= high {
        let x = number(position(edge))
        parts.append("<path class=\"clip\" d=\"M\(x) 0V\(Int(height))\"/>")
      }
    }
    parts.append(
      "<path class=\"axis\" d=\"M0 \(Int(height))H\(Int(width))\"/>"
        + label(low, at: 0, anchor: "start") + label(high, at: width, anchor: "end"))
    if low < 0, high > 0 {
      let zero = position(0)
      // Where there is room between the ends' labels.
      if zero > 50, zero < width - 50 { parts.append(label(0, at: zero, anchor: "middle")) }
    }
    return parts.joined() + "</svg>"
  }

  private func position(_ value: Double) -> Double {
    let extent = distribution.maximum - distribution.minimum
    guard extent > 0, extent.isFinite else { return 0 }
    return min(max((value - distribution.minimum) / extent, 0), 1) * Self.width
  }

  /// Bars one beside the other, as one outline.
  private var bars: String {
    let counts = distribution.histogram
    let group = max(1, (counts.count + Self.mostBars - 1) / Self.mostBars)
    let sums = stride(from: 0, to: counts.count, by: group).map { start in
      counts[start..<min(start + group, counts.count)].reduce(0.0) { $0 + Double($1) }
    }
    // One value is still seen: its bar is a tenth of the height.
    guard let most = sums.max(), most > 0 else { return "" }
    let scale = 0.9 / max(1, log10(most))
    let step = Self.width * Double(group) / Double(counts.count)
    var path = ""
    for (index, sum) in sums.enumerated() where sum > 0 {
      let bar = Self.height * (0.1 + scale * log10(sum))
      let left = Double(index) * step
      let right = min(Self.width, left + step)
      path +=
        "M\(number(left)) \(number(Self.height))V\(number(Self.height - bar))H\(number(right))"
        + "V\(number(Self.height))Z"
    }
    return path
  }

  private func rectangle(_ left: Double, _ right: Double, _ name: String) -> String {
    "<rect class=\"\(name)\" x=\"\(number(left))\" y=\"0\" width=\"\(number(right - left))\" "
      + "height=\"\(Int(Self.height))\"/>"
  }

  private func label(_ value: Double, at x: Double, anchor: String) -> String {
    "<text x=\"\(number(x))\" y=\"\(Int(Self.height) + 13)\" text-anchor=\"\(anchor)\">"
      + "\(value == 0 ? "0" : Markup.short(value))</text>"
  }

  private func number(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths % 10))"
  }
}
