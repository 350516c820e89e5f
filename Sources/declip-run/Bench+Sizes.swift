import ArgumentParser
import DeCLIP
import Foundation
import Runtime
import Terminal

/// A list of input sizes, `224,336,480x640`.
struct InputSizes: ExpressibleByArgument {
  let sizes: [InputSize]

  init?(argument: String) {
    let sizes = argument.split(separator: ",", omittingEmptySubsequences: false).map {
      InputSize(argument: String($0))
    }
    guard !sizes.contains(nil) else { return nil }
    self.sizes = sizes.compactMap(\.self)
  }
}

extension Bench {
  /// Measures every size in a process of its own, for memory once used is not given back whole.
  func measure(_ sizes: [InputSize]) throws {
    let model = try Model(path: options.model)
    // A size that does not suit is refused before any is measured.
    for size in sizes {
      _ = try Plan.vision(model.architecture, input: size, mode: mode, outputs: [.dense])
    }
    var results: [BenchResult] = []
    var progress = Progress(total: sizes.count)
    for size in sizes {
      progress.begin("\(size)")
      results.append(try measureInChild(size))
    }
    progress.end()
    if json {
      try JSONOutput.print(results)
    } else {
      print(table(results))
    }
  }

  private func measureInChild(_ size: InputSize) throws -> BenchResult {
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = [
      "bench", "--json", "--model", options.model, "--threads", "\(options.threads.threads)",
      "--mode", mode.rawValue, "--size", "\(size)", "--repeats", "\(repeats)",
    ]
    if let engine = options.engine { process.arguments?.append("--engine=\(engine.rawValue)") }
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    // What went wrong stands on stderr already.
    guard process.terminationStatus == 0 else { throw ExitCode(process.terminationStatus) }
    return try JSONDecoder().decode(BenchResult.self, from: bytes)
  }

  private func table(_ results: [BenchResult]) -> String {
    guard let first = results.first else { return "" }
    var table = Table([
      ("size", .right), ("tokens", .right), ("ms", .right), ("linear", .right),
      ("attention", .right), ("rest", .right), ("GMAC/s", .right), ("linear us/token", .right),
      ("attention ns/pair", .right), ("peak memory", .right), ("buffers", .right),
    ])
    for result in results {
      let tokens = Double(result.tokens)
      table.add([
        "\(result.height)x\(result.width)", "\(result.tokens)",
        Format.fixed(result.medianMilliseconds, 1),
        Format.fixed(result.milliseconds(.linear), 1),
        Format.fixed(result.milliseconds(.attention), 1),
        Format.fixed(result.milliseconds(.rest), 1), Format.fixed(result.gigaMACs, 1),
        Format.fixed(result.milliseconds(.linear) / tokens * 1e3, 2),
        Format.fixed(result.milliseconds(.attention) / (tokens * tokens) * 1e6, 2),
        result.peakBytes.map(Format.bytes) ?? "", Format.bytes(UInt64(result.bufferBytes)),
      ])
    }
    return """
      \(first.model): engine \(first.engine), mode \(first.mode), \(threads(first.threads)), \
      kernels \(first.kernels)
      medians of \(repeats) runs in ms; each size in a process of its own, whose peak memory it is

      \(table.text)

      linear: products with weights, which grow with the tokens; attention: with their square, a \
      pair being a query and a key; rest: norms, rotation, copies
      """
  }
}
