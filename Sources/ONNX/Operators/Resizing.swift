import Glibc
import Model

/// Interpolation, axis by axis.
let resizeOperators: [String: OperatorFunction] = ["Resize": resize]

private let resize: OperatorFunction = { call throws(DeclipError) in
  var value = try call.input(0)
  let rank = value.shape.count
  let mode = try call.string("mode", default: "nearest")
  let coordinates = try call.string(
    "coordinate_transformation_mode", default: call.opset < 11 ? "asymmetric" : "half_pixel")
  try call.require(
    ["nearest", "linear", "cubic"].contains(mode), "interpolates by '\(mode)'",
    expected: "nearest, linear or cubic")
  let antialiases = try call.integer("antialias", default: 0) != 0
  let policy = try call.string("keep_aspect_ratio_policy", default: "stretch")
  try call.require(
    !antialiases && policy == "stretch", "antialiases or keeps an aspect ratio",
    expected: "plain interpolation")
  var axes = Array(0..<rank)
  if let named = try call.integers("axes") {
    axes = []
    for axis in named { axes.append(try call.axis(axis, rank: rank)) }
  }
  var scales = [Double](repeating: 1, count: rank)
  var shape = value.shape
  if call.has(3) {
    let sizes = try call.integers(3)
    try call.require(
      sizes.count == axes.count && sizes.allSatisfy { $0 > 0 },
      "resizes \(shape) to \(call.list(sizes))")
    for (axis, size) in Swift.zip(axes, sizes) {
      scales[axis] = Double(size) / Double(max(1, shape[axis]))
      shape[axis] = size
    }
  } else {
    let given = try call.floats(2)
    try call.require(
      given.count == axes.count && given.allSatisfy { $0.isFinite && $0 > 0 && $0 < 0x1p20 },
      "scales \(shape) by \(call.list(given))")
    for (axis, scale) in Swift.zip(axes, given) {
      scales[axis] = Double(scale)
      shape[axis] = Int((Double(shape[axis]) * Double(scale)).rounded(.down))
    }
  }
  try call.require(value.count > 0, "resizes \(value.shape)", expected: "at least one element")
  try call.count(shape)
  try call.require(
    coordinates != "tf_crop_and_resize", "resizes a region of interest",
    expected: "the whole tensor")
  let sampler = Sampler(
    mode: mode, coordinates: coordinates,
    cubic: Double(try call.float("cubic_coeff_a", default: -0.75)),
    excludes: try call.integer("exclude_outside", default: 0) != 0,
    nearest: try call.string("nearest_mode", default: "round_prefer_floor"))
  for axis in 0..<rank where shape[axis] != value.shape[axis] || scales[axis] != 1 {
    try call.take(shape[axis], bytes: 192)
    let taps = (0..<shape[axis]).map {
      sampler.taps($0, extent: value.shape[axis], target: shape[axis], scale: scales[axis])
    }
    value = try resampled(call, value, axis, taps)
  }
  return [value]
}

/// Source positions and their weights.
private typealias Taps = [(place: Int, weight: Float)]

private func resampled(
  _ call: Call, _ value: Value, _ axis: Int, _ taps: [Taps]
) throws(DeclipError) -> Value {
  let (extent, inner) = (value.shape[axis], value.shape[(axis + 1)...].reduce(1, *))
  var shape = value.shape
  shape[axis] = taps.count
  try call.take(value.count, bytes: 4)
  let count = try call.count(shape, bytes: 12)
  try call.spend(count, each: 16)
  let floats = value.asFloats
  var results: [Float] = []
  results.reserveCapacity(count)
  for row in 0..<value.shape[..<axis].reduce(1, *) {
    for position in taps {
      for column in 0..<inner {
        results.append(
          position.reduce(0) {
            $0 + $1.weight * floats[(row * extent + $1.place) * inner + column]
          })
      }
    }
  }
  let type = value.elementType
  return type.isFloat
    ? Value(results, shape: shape, type: type)
    : Value(results.map { integer($0, type) }, shape: shape, type: type)
}

/// How a target position is made of source positions.
private struct Sampler {
  let mode: String
  let coordinates: String
  let cubic: Double
  let excludes: Bool
  let nearest: String

  func taps(_ index: Int, extent: Int, target: Int, scale: Double) -> Taps {
    let position = source(Double(index), Double(extent), Double(target), scale)
    switch mode {
    case "nearest":
      let place: Double =
        switch nearest {
        case "floor": position.rounded(.down)
        case "ceil": position.rounded(.up)
        case "round_prefer_ceil": (position + 0.5).rounded(.down)
        default: (position - 0.5).rounded(.up)
        }
      return [(max(0, min(extent - 1, Int(place))), 1)]
    case "linear":
      let low = position.rounded(.down)
      return normalized(
        [(Int(low), 1 - (position - low)), (Int(low) + 1, position - low)], extent)
    default:
      let low = position.rounded(.down)
      let share = position - low
      return normalized(
        (-1...2).map { (Int(low) + $0, weight(abs(Double($0) - share))) }, extent)
    }
  }

  private func normalized(_ taps: [(Int, Double)], _ extent: Int) -> Taps {
    let isInside = { (place: Int) in (0..<extent).contains(place) }
    let kept = excludes ? taps.filter { isInside($0.0) } : taps
    let sum = excludes ? kept.reduce(0) { $0 + $1.1 } : 1
    return kept.map { (max(0, min(extent - 1, $0.0)), Float($0.1 / sum)) }
  }

  /// Keys's cubic convolution kernel.
  private func weight(_ x: Double) -> Double {
    if x < 1 { return ((cubic + 2) * x - (cubic + 3)) * x * x + 1 }
    if x < 2 { return ((cubic * x - 5 * cubic) * x + 8 * cubic) * x - 4 * cubic }
    return 0
  }

  private func source(_ x: Double, _ extent: Double, _ target: Double, _ scale: Double) -> Double {
    switch coordinates {
    case "align_corners": target == 1 ? 0 : x * (extent - 1) / (target - 1)
    case "asymmetric": x / scale
    case "pytorch_half_pixel": target > 1 ? (x + 0.5) / scale - 0.5 : 0
    case "half_pixel_symmetric":
      (x + 0.5) / scale - 0.5 + extent / 2 * (1 - target / (extent * scale))
    default: (x + 0.5) / scale - 0.5
    }
  }
}
