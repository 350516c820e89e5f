import ArgumentParser
import Container
import DeCLIP
import Terminal

/// `declip-convert diff A B`.
struct Diff: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare the tensors of two .declip files; exits with 1 where any differs.",
    discussion: "Of weights in int8 the integers are compared, and how their layers compute.")

  @Argument(help: "A .declip file.")
  var first: String

  @Argument(help: "The .declip file to compare it with.")
  var second: String

  func run() throws {
    var differences: [String] = []
    var count = 0
    try reporting { (differences, count) = try compare() }
    for line in differences { print(line) }
    guard differences.isEmpty else {
      print("\(differences.count) of \(count) tensors differ")
      throw ExitCode(1)
    }
    print("\(count) tensors, all equal")
  }

  private func compare() throws(DeclipError) -> (differences: [String], count: Int) {
    let (a, b) = (try ContainerFile(path: first), try ContainerFile(path: second))
    var others: [String: TensorEntry] = [:]
    for entry in b.entries { others[entry.name] = entry }
    var differences: [String] = []
    for entry in a.entries {
      guard let other = others.removeValue(forKey: entry.name) else {
        differences.append("\(entry.name): only in \(first)")
        continue
      }
      if let text = try difference(a, entry, b, other) {
        differences.append("\(entry.name): \(text)")
      }
    }
    differences += others.keys.sorted().map { "\($0): only in \(second)" }
    return (differences, a.entries.count + others.count)
  }

  private func difference(
    _ a: ContainerFile, _ first: TensorEntry, _ b: ContainerFile, _ second: TensorEntry
  ) throws(DeclipError) -> String? {
    guard first.shape == second.shape else { return "\(first.shape) and \(second.shape)" }
    guard first.dataType == second.dataType else {
      return "\(first.dataType.rawValue) and \(second.dataType.rawValue)"
    }
    let layers = [(a, first), (b, second)].map { file, entry in
      entry.role.flatMap { file.quantization?.layers[$0] }
    }
    if let one = layers[0], let other = layers[1], one != other {
      return "\(one) and \(other)"
    }
    let (x, y) = (try values(a, first), try values(b, second))
    var (count, largest) = (0, Float(0))
    for index in x.indices where x[index].bitPattern != y[index].bitPattern {
      count += 1
      largest = max(largest, abs(x[index] - y[index]))
    }
    return count == 0 ? nil : "\(count) of \(x.count) elements, by up to \(largest)"
  }

  private func values(
    _ file: ContainerFile, _ entry: TensorEntry
  ) throws(DeclipError) -> [Float] {
    if entry.dataType == .int8 {
      return try file.tensor(entry).bytes.withUnsafeBytes { bytes in
        bytes.map { Float(Int8(bitPattern: $0)) }
      }
    }
    var values = [Float](repeating: 0, count: entry.elementCount)
    try values.withUnsafeMutableBufferPointer { buffer throws(DeclipError) in
      try file.read(entry, into: buffer)
    }
    return values
  }
}
