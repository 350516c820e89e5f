import Foundation
import Testing

@Suite struct ConvertTests {
  private let convert = Tool("declip-convert")
  private let folder: TemporaryFolder
  private let golden = Repository.path("Tests/Goldens/eva02/model.safetensors")

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test func convertsInspectsAndChecks() throws {
    let file = folder("eva02.declip")
    let conversion = try convert(golden, "-o", file)
    #expect(conversion.status == 0)
    #expect(
      conversion.output.hasPrefix(
        "\(file): eva02, vision 128x3 patch 8 at 48 px, text 64x1, embedding 40, "))
    #expect(conversion.errors.contains("warning: no tokenizer was found beside the file"))

    let inspection = try convert("inspect", file)
    #expect(inspection.status == 0)
    for line in [
      "architecture: eva02, vision 128x3 patch 8 at 48 px",
      "vision.block[2].attention.query.weight", "source.0.name: model.safetensors",
      "\"hiddenSize\" : 138",
    ] { #expect(inspection.output.contains(line), "\(line)") }

    let check = try convert("check", file)
    #expect(check.status == 0)
    #expect(check.output.hasPrefix("\(file): ok, "))
  }

  @Test func convertingTwiceGivesTheSameBytes() throws {
    for (name, threads) in [("a", "1"), ("b", "2")] {
      #expect(try convert(golden, "-o", folder(name), "--threads", threads).status == 0)
    }
    #expect(
      try Data(contentsOf: URL(filePath: folder("a")))
        == Data(contentsOf: URL(filePath: folder("b"))))
  }

  @Test func diffNamesTensorsThatDiffer() throws {
    let (first, second) = (folder("first.declip"), folder("second.declip"))
    #expect(try convert(golden, "-o", first).status == 0)
    #expect(try convert(golden, "-o", second, "--compression", "none").status == 0)
    let equal = try convert("diff", first, second)
    #expect(equal.status == 0)
    #expect(equal.output.hasSuffix(" tensors, all equal\n"))
    #expect(equal.output.split(separator: "\n").count == 1)

    // The last byte of a safetensors file is the last tensor's sign and exponent.
    var bytes = try Data(contentsOf: URL(filePath: golden))
    bytes[bytes.count - 1] ^= 0x80
    let changed = folder("changed.safetensors")
    try bytes.write(to: URL(filePath: changed))
    #expect(try convert(changed, "-o", second, "--force").status == 0)
    let different = try convert("diff", first, second)
    #expect(different.status == 1)
    let lines = different.output.split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines.first?.contains(": 1 of ") == true)
    #expect(lines.first?.contains(" elements, by up to ") == true)
    #expect(lines.last?.hasPrefix("1 of ") == true)

    #expect(try convert(golden, "-o", second, "--vision-only", "--force").status == 0)
    let fewer = try convert("diff", first, second)
    #expect(fewer.status == 1)
    #expect(fewer.output.contains("only in \(first)"))
    #expect(try convert("diff", first, folder("none.declip")).status == 66)
  }

  @Test func damageIsReportedByNameWithExitCode65() throws {
    let file = folder("damaged.declip")
    #expect(try convert(golden, "-o", file).status == 0)
    var bytes = try Data(contentsOf: URL(filePath: file))
    bytes[bytes.count - 100] ^= 4
    try bytes.write(to: URL(filePath: file))
    let check = try convert("check", file)
    #expect(check.status == 65)
    #expect(check.errors.hasPrefix("error: \(file): "))
    #expect(check.errors.contains("tensor '"))
    #expect(check.errors.split(separator: "\n").count == 1)
  }

  @Test func existingOutputIsKept() throws {
    let file = folder("kept.declip")
    try Data("mine".utf8).write(to: URL(filePath: file))
    let refusal = try convert(golden, "-o", file)
    #expect(refusal.status == 73)
    #expect(
      refusal.errors
        == "error: \(file): exists already; give another --output, or --force to replace it\n")
    #expect(try Data(contentsOf: URL(filePath: file)) == Data("mine".utf8))
    #expect(try convert(golden, "-o", file, "--force").status == 0)
  }

  /// By way of a link, which must not become a file either.
  @Test func devicesAreWrittenThrough() throws {
    let link = folder("device.declip")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/dev/full")
    let full = try convert(golden, "-o", link, "--no-verify")
    #expect(full.status == 74)
    #expect(full.errors == "error: \(link): cannot be written: No space left on device\n")
    #expect(
      try FileManager.default.destinationOfSymbolicLink(atPath: link) == "/dev/full")
    #expect(folder.names == ["device.declip"])

    let null = try convert(golden, "-o", "/dev/null")
    #expect(null.status == 0)
    #expect(
      null.errors.hasSuffix(
        "warning: /dev/null is no file, so what was written was not read back\n"))
    let refusal = try convert(golden, "-o", folder.path)
    #expect(refusal.status == 73)
    #expect(refusal.errors == "error: \(folder.path): is a folder; name a file to write\n")
  }

  @Test func fullOutputOfReportsIsAnError() throws {
    let file = folder("model.declip")
    #expect(try convert(golden, "-o", file, "--no-verify").status == 0)
    let process = convert.process(["inspect", file])
    let errors = Pipe()
    process.standardOutput = FileHandle(forWritingAtPath: "/dev/full")
    process.standardError = errors
    try process.run()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 74)
    #expect(text == "error: standard output: cannot be written: No space left on device\n")
  }

  @Test func linkedExternalDataNeedsAnOption() throws {
    let name = "openclip-image-external.onnx"
    let graph = folder("model/" + name)
    try FileManager.default.createDirectory(
      atPath: folder("model"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: Repository.path("Tests/Goldens/onnx/" + name), toPath: graph)
    try FileManager.default.copyItem(
      atPath: Repository.path("Tests/Goldens/onnx/\(name).data"), toPath: folder("data"))
    try FileManager.default.linkItem(atPath: folder("data"), toPath: graph + ".data")
    let refusal = try convert(graph, "--no-verify")
    #expect(refusal.status == 65)
    #expect(refusal.errors.contains("'\(name).data' has 2 names"))
    #expect(refusal.errors.hasSuffix("with --allow-external-links\n"))
    #expect(try convert(graph, "--no-verify", "--allow-external-links").status == 0)
  }

  @Test func exitCodesFollowSysexits() throws {
    #expect(try convert().status == 64)
    #expect(try convert(golden, "--precision", "f8").status == 64)
    let missing = try convert(folder("none.safetensors"))
    #expect(missing.status == 66)
    #expect(
      missing.errors
        == "error: \(folder("none.safetensors")): cannot be opened: No such file or directory\n")
    try Data("hello, this is no model".utf8).write(to: URL(filePath: folder("text")))
    #expect(try convert(folder("text")).status == 65)
    #expect(try convert(golden, "-o", folder("none/out.declip")).status == 73)
  }

  /// Killed while it writes, the tool leaves nothing under the final name.
  @Test func killedConversionLeavesNoFile() throws {
    let file = folder("killed.declip")
    // Level 19 takes some seconds, so that the kill falls into the writing.
    let process = convert.process([
      Repository.path("fixtures/shapes/model.safetensors"), "-o", file, "--level", "19",
      "--precision", "f32",
    ])
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    // A guard against hanging alone.
    let deadline = Date().addingTimeInterval(600)
    while !folder.names.contains(where: { $0.hasSuffix(".partial") }), Date() < deadline,
      process.isRunning
    { usleep(1000) }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    #expect(process.terminationReason == .uncaughtSignal)
    #expect(folder.names.allSatisfy { $0.hasSuffix(".partial") })
    #expect(!folder.names.isEmpty)
  }
}
