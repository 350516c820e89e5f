import Glibc
import Model
import Runtime

/// Finds the migration with which a group of layers loses least, by trying candidates on sampled
/// rows.
///
/// Scales are `s_j = max|x_j - z_j|^a / max_o|W_oj|^(1-a)` (SmoothQuant, section 4) for strengths
/// `a` of a grid, offsets `z` none, the channels' means, or the middles of their ranges (Outlier
/// Suppression+, section 3.2).
struct MigrationSearch {
  /// The strengths tried; SmoothQuant's own grid.
  static let strengths: [Float] = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]

  /// Where channels are centred.
  enum Centre: String, CaseIterable {
    case zero
    case mean
    case middle
  }

  /// What was chosen.
  struct Choice {
    /// Nil where no candidate was better than none.
    var migration: Migration?
    /// The chosen strength; nil without a migration.
    var strength: Float?
    var centre = Centre.zero
    /// The mean square of the layers' output errors over their outputs' variance, without and
    /// with it.
    var errorBefore: Double
    var error: Double
  }

  private let statistics: MigratedStatistics
  private let layers: [[Float]]
  private let width: Int
  private let bits: Int
  private let pool: WorkerPool
  /// All layers' weights, one below the other.
  private let weight: [Float]
  /// The outputs of the sampled rows.
  private let outputs: [Float]

  /// Prepares for layers' weights, `[outputs, width]` each.
  init(_ statistics: InputStatistics, layers: [[Float]], bits: Int, pool: WorkerPool) {
    self.statistics = MigratedStatistics(statistics, nil)
    self.layers = layers
    width = self.statistics.width
    self.bits = bits
    self.pool = pool
    weight = Array(layers.joined())
    outputs = Matrix.product(of: self.statistics.rows, with: weight, width: width, pool: pool)
  }

  /// Tries all candidates.
  func best() -> Choice {
    let before = error(of: nil)
    var choice = Choice(errorBefore: before, error: before)
    for centre in Centre.allCases {
      let offsets = offsets(centre)
      for strength in Self.strengths {
        let migration = Migration(
          scales: scales(strength: strength, offsets: offsets), offsets: offsets)
        let error = error(of: migration)
        if error < choice.error {
          choice = Choice(
            migration: migration, strength: strength, centre: centre, errorBefore: before,
            error: error)
        }
      }
    }
    return choice
  }

  private func offsets(_ centre: Centre) -> [Float] {
    switch centre {
    case .zero: [Float](repeating: 0, count: width)
    case .mean: statistics.mean.map { Float($0) }
    case .middle: zip(statistics.minimum, statistics.maximum).map { $0 / 2 + $1 / 2 }
    }
  }

  private func scales(strength: Float, offsets: [Float]) -> [Float] {
    var inputs = (0..<width).map {
      max(abs(statistics.minimum[$0] - offsets[$0]), abs(statistics.maximum[$0] - offsets[$0]))
    }
    var weights = [Float](repeating: 0, count: width)
    for start in stride(from: 0, to: weight.count, by: width) {
      for column in 0..<width {
        weights[column] = max(weights[column], abs(weight[start + column]))
      }
    }
    raise(&inputs)
    raise(&weights)
    let scales = (0..<width).map { pow(inputs[$0], strength) / pow(weights[$0], 1 - strength) }
    // A common factor changes nothing but how far numbers are from 1.
    let middle = exp(scales.reduce(0) { $0 + log(Double($1)) } / Double(max(width, 1)))
    return scales.map { Float(Double($0) / middle) }
  }

  /// Lifts magnitudes to a hundred-thousandth of the largest: channels that hardly occur must not
  /// get scales that other arithmetic cannot bear.
  private func raise(_ magnitudes: inout [Float]) {
    let least = max((magnitudes.max() ?? 0) * 1e-5, 1e-20)
    for index in magnitudes.indices { magnitudes[index] = max(magnitudes[index], least) }
  }

  /// The mean over layers of output error over output variance, with inputs quantised row by row
  /// and weights rounded to the nearest.
  private func error(of migration: Migration?) -> Double {
    let rows = migration?.applied(to: statistics.rows) ?? statistics.rows
    let simulated = Quantization.Input.perRow(bits: bits).simulated(rows, width: width)
    let matrix = WeightMatrix(
      values: migration?.weight(weight) ?? weight, inputs: width, bits: bits)
    let scales = matrix.scales(.minMax, power: [], pool: pool)
    let integers = matrix.rounded(scales, pool: pool)
    var dequantized = [Float](repeating: 0, count: integers.count)
    for row in 0..<matrix.outputs {
      for index in row * width..<(row + 1) * width {
        dequantized[index] = Float(integers[index]) * scales[row]
      }
    }
    let found = Matrix.product(of: simulated, with: dequantized, width: width, pool: pool)
    let moved = migration.map { movedOutput(weight, $0.offsets) }
    return OutputError.relative(
      expected: outputs, found: found, moved: moved, layers: layers.map { $0.count / width })
  }
}

/// What offsets take from every output of a weight.
private func movedOutput(_ weight: [Float], _ offsets: [Float]) -> [Float] {
  product(weight, offsets.map(Double.init)).map { Float($0) }
}

/// The error of layers that read the same rows.
enum OutputError {
  /// The mean over layers of squared error over the variance of the layer's outputs.
  ///
  /// `expected` and `found` are `[rows, outputs]`, the layers' outputs side by side; `moved` is
  /// what every row of `found` lacks and a bias makes up for.
  static func relative(
    expected: [Float], found: [Float], moved: [Float]?, layers: [Int]
  ) -> Double {
    let outputs = layers.reduce(0, +)
    guard outputs > 0 else { return 0 }
    let rows = expected.count / outputs
    var errors = [Double](repeating: 0, count: outputs)
    var sums = errors
    var squares = errors
    for row in 0..<rows {
      for column in 0..<outputs {
        let value = expected[row * outputs + column]
        let difference = Double(found[row * outputs + column] + (moved?[column] ?? 0) - value)
        errors[column] += difference * difference
        sums[column] += Double(value)
        squares[column] += Double(value) * Double(value)
      }
    }
    var first = 0
    var total = 0.0
    for count in layers {
      var (error, variance) = (0.0, 0.0)
      for column in first..<first + count {
        error += errors[column]
        variance += squares[column] - sums[column] * sums[column] / Double(max(rows, 1))
      }
      total += variance > 0 ? error / variance : 0
      first += count
    }
    return total / Double(layers.count)
  }
}
