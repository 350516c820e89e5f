import CAllocations
import Foundation
import Testing

@testable import Importers
@testable import Model

/// Reads every file of the corpus as `declip-convert` does, and measures what each one took.
///
/// A child process does the reading, this test program once more, because only a process of its own
/// has a memory of its own to measure, and because a crash or a hang there still leaves someone to
/// say which file it was. `DECLIP_CORPUS_ONLY` names files by a part of their names.
@Suite struct CorpusTests {
  private static let environment = ProcessInfo.processInfo.environment
  private static let isChild = environment["DECLIP_CORPUS_REPORT"] != nil
  /// What reading a file may take beside twice its size.
  private static let base = 64 << 20
  private static let children = 2

  /// What one file took.
  private struct Measurement {
    let name: String
    let size: Int
    let seconds: Double
    /// The most bytes allocated at once; 0 where they are not counted.
    let allocated: Int
    /// The growth of the resident size; 0 where it cannot be told.
    let resident: Int
    let outcome: String

    /// What was taken in proportion to what may be taken.
    var share: Double { Double(max(allocated, resident)) / Double(2 * size + CorpusTests.base) }
  }

  @Test(.enabled(if: !isChild))
  func everyFileStaysWithinItsBounds() throws {
    let folder = try TestFolder()
    let reports = (0..<Self.children).map { folder("report\($0)") }
    let processes = try reports.enumerated().map { try start($0, report: $1) }
    for (process, report) in zip(processes, reports) {
      try wait(for: process, report)
      if declip_counts_allocations() { try checkCounter(report) }
    }
    let measurements = try reports.flatMap { try Self.measurements(in: $0) }
    let isWhole = Self.environment["DECLIP_CORPUS_ONLY"] == nil
    #expect(!isWhole || measurements.count >= 5000, "\(measurements.count) files")
    for measurement in measurements {
      #expect(measurement.seconds < 5, "\(measurement.name) took \(measurement.seconds) s")
      #expect(
        measurement.share <= 1,
        """
        \(measurement.name), \(measurement.size) bytes: \(measurement.allocated) bytes allocated, \
        resident size grew by \(measurement.resident)
        """)
    }
    if isWhole { checkOutcomes(measurements) }
    print(Self.summary(of: measurements))
  }

  /// Every kind of damage is refused at least once, and enough of it is read to the end.
  private func checkOutcomes(_ measurements: [Measurement]) {
    let read = measurements.count { $0.outcome == "read" }
    #expect(read > measurements.count / 50 && read < measurements.count / 2, "\(read) were read")
    #expect(!FileManager.default.fileExists(atPath: "/tmp/declip-was-here"))
    // What the damage was meant to reach was reached.
    for (kind, refusal, least) in Self.refusals {
      let count = measurements.count { $0.name.contains(kind) && $0.outcome.contains(refusal) }
      #expect(count >= least, "\(kind): \(count) say '\(refusal)'")
    }
  }

  /// Half of what there are.
  private static let refusals: [(kind: String, refusal: String, least: Int)] = [
    ("onnx openclip-image-external.onnx path traversal", "lies outside the model's folder", 22),
    ("index path traversal", "expected a plain file name in the folder", 15),
    ("torch", "is not in the archive", 14), ("os.system", "which is not data", 32),
    ("zip bomb", "is compressed", 10), ("zip fields", "another size in its local header", 18),
    ("cycles", "waits in a circle", 16), ("cycles", "two nodes compute", 70),
    ("length lies", "protobuf encoding breaks", 93), ("length lies", "reaches beyond the end", 4),
    ("deep recursion", "nested deeper than", 20), ("truncation", "badData", 300),
    ("absurd dimensions", "lies outside its storage", 23),
    ("absurd dimensions", "lie outside the file", 12),
    ("absurd dimensions", "for a file of this size", 15),
    ("bomb", "asks for more memory", 30), ("bomb", "computes more than", 2),
  ]

  private static func summary(of measurements: [Measurement]) -> String {
    let slowest = measurements.max { $0.seconds < $1.seconds }
    let largest = measurements.max { $0.share < $1.share }
    let read = measurements.count { $0.outcome == "read" }
    let formats = ["onnx", "torch", "safetensors", "tokenizers", "bomb"].map { format in
      "\(measurements.count { $0.name.hasPrefix(format) }) \(format)"
    }
    var text =
      "corpus: \(measurements.count) files (\(formats.joined(separator: ", "))), \(read) of them "
      + "read, the others refused"
    if let slowest {
      text += "; longest \(String(format: "%.2f", slowest.seconds)) s (\(slowest.name))"
    }
    if let largest {
      text +=
        "; most memory \(largest.allocated >> 10) kB allocated, \(largest.resident >> 10) kB resident"
        + " for \(largest.size >> 10) kB, \(Int(100 * largest.share)) % of twice the file and 64 MB"
        + " (\(largest.name))"
    }
    if !declip_counts_allocations() { text += "; allocations are not counted under a sanitizer" }
    return text
  }

  // MARK: Children

  private func start(_ part: Int, report: String) throws -> Process {
    FileManager.default.createFile(atPath: report, contents: nil)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = [
      "--testing-library", "swift-testing", "--filter", "CorpusTests/readPart",
    ]
    process.environment = Self.environment.merging(
      ["DECLIP_CORPUS_REPORT": report, "DECLIP_CORPUS_PART": "\(part)"]) { $1 }
    process.standardOutput = FileHandle.nullDevice
    FileManager.default.createFile(atPath: report + ".errors", contents: nil)
    process.standardError = FileHandle(forWritingAtPath: report + ".errors")
    try process.run()
    return process
  }

  /// Waits for a child; where it stands still or dies, says at which file.
  private func wait(for process: Process, _ report: String) throws {
    var (length, still) = (0, 0)
    while process.isRunning {
      Thread.sleep(forTimeInterval: 0.1)
      let now = try FileManager.default.attributesOfItem(atPath: report)[.size] as? Int ?? 0
      still = now == length ? still + 1 : 0
      length = now
      // Ten minutes: only what hangs takes them, whatever else the machine does.
      if still > 6000 {
        process.terminate()
        process.waitUntilExit()
      }
    }
    let lines = try String(contentsOfFile: report, encoding: .utf8).split(separator: "\n")
    let isWhole =
      process.terminationReason == .exit && process.terminationStatus == 0 && lines.last == "end"
    let errors = try String(contentsOfFile: report + ".errors", encoding: .utf8)
    #expect(
      isWhole,
      "the process ended with \(process.terminationStatus) at \(lines.last ?? "its start"): \(errors.suffix(4000))"
    )
  }

  /// A child counted its block, and next to nothing besides.
  private func checkCounter(_ report: String) throws {
    let lines = try String(contentsOfFile: report, encoding: .utf8).split(separator: "\n")
    let counted = lines.first.flatMap { Int($0.trimmingPrefix("counted ")) } ?? 0
    let excess = counted - Self.blockSize
    #expect(0 <= excess && excess < 1 << 20, "\(counted) bytes were counted")
  }

  private static func measurements(in report: String) throws -> [Measurement] {
    let lines = try String(contentsOfFile: report, encoding: .utf8).split(separator: "\n")
    return lines.compactMap { line in
      let parts = line.split(separator: "\t")
      guard parts.count == 6, let size = Int(parts[1]), let seconds = Double(parts[2]),
        let allocated = Int(parts[3]), let resident = Int(parts[4])
      else { return nil }
      return Measurement(
        name: String(parts[0]), size: size, seconds: seconds, allocated: allocated,
        resident: resident, outcome: String(parts[5]))
    }
  }

  // MARK: In the child

  /// What a child allocates to see that allocations are counted.
  private static let blockSize = 300 << 20

  @Test(.enabled(if: isChild)) func readPart() throws {
    let part = Int(Self.environment["DECLIP_CORPUS_PART"] ?? "") ?? 0
    let only = Self.environment["DECLIP_CORPUS_ONLY"]
    let report = try FileHandle(
      forWritingTo: URL(fileURLWithPath: Self.environment["DECLIP_CORPUS_REPORT"] ?? ""))
    let counted = measure {
      // Never touched, so it is not resident.
      let block = UnsafeMutableRawPointer.allocate(byteCount: Self.blockSize, alignment: 64)
      block.deallocate()
      return ""
    }
    try report.write(contentsOf: Data("counted \(counted.allocated)\n".utf8))
    let entries = try Corpus().entries.enumerated().filter { index, entry in
      index % Self.children == part && (only.map(entry.name.contains) ?? true)
    }
    // What the libraries set up once is no file's.
    for path in ["onnx/eva02-both-legacy17.onnx", "torch/eva02.pt", "eva02/model.safetensors"] {
      _ = read(golden(path))
    }
    for (_, entry) in entries {
      let folder = try TestFolder()
      var size = 0
      for (name, bytes) in entry.files() {
        try folder.write(name, bytes)
        size += bytes.count
      }
      try report.write(contentsOf: Data("start \(entry.name)\n".utf8))
      let measured = measure { read(folder(entry.main)) }
      try report.write(
        contentsOf: Data(
          """
          \(entry.name)\t\(size)\t\(measured.seconds)\t\(measured.allocated)\t\
          \(measured.resident)\t\(measured.outcome)\n
          """.utf8))
    }
    try report.write(contentsOf: Data("end\n".utf8))
  }

  /// Reads a model as the converter does, with the run of its graph that verification needs.
  private func read(_ path: String) -> String {
    do throws(DeclipError) {
      let (checkpoint, reference) = try CheckpointImporter.readWithReference(path: path)
      _ = try reference?.run(
        seed: 11, embeddingSize: checkpoint.architecture.embeddingSize,
        endToken: checkpoint.architecture.text?.pooledToken)
      return "read"
    } catch {
      let text = error.description.replacing("\n", with: " ").replacing("\t", with: " ")
      return "\(error.kind): \(text.prefix(300))"
    }
  }

  private func measure(
    _ body: () -> String
  ) -> (outcome: String, seconds: Double, allocated: Int, resident: Int) {
    let before = declip_reset_resident_peak()
    let (wall, busy) = (Self.seconds(CLOCK_MONOTONIC), Self.seconds(CLOCK_PROCESS_CPUTIME_ID))
    declip_start_counting()
    let outcome = body()
    let allocated = declip_stop_counting()
    let after = declip_resident_peak()
    // Waiting for a processor that others keep busy is not the file's, nor are threads side by side.
    let seconds = min(
      Self.seconds(CLOCK_MONOTONIC) - wall, Self.seconds(CLOCK_PROCESS_CPUTIME_ID) - busy)
    let grown = before < 0 || after < 0 || !declip_counts_allocations() ? 0 : after - before
    return (outcome, seconds, Int(allocated), Int(grown))
  }

  private static func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
