import Files
import Model

/// A `.declip` file, mapped into memory and open for reading.
///
/// Opening checks the header, the section table, the architecture, the quantisation, the provenance
/// and the tensor index, and touches nothing else. Every frame is checked when it is read. A file that
/// others write to, or cut short, while it is open is an error from then on.
public final class ContainerFile: WeightSource, Sendable {
  /// The path as it was given.
  public let path: String
  /// What the model computes.
  public let architecture: Architecture
  /// How weights in int8 are computed with; nil for a model of floats.
  public let quantization: Quantization?
  /// Where the model comes from, and how it was made.
  public let provenance: [String: String]
  /// The tool that wrote the file, such as `declip-convert 0.1.0`.
  public let toolVersion: String
  /// The version of the format that the file follows.
  public let formatVersion: Int
  /// The sections, in the order of the file.
  public let sections: [Section]
  /// The tensors, in the order of the file.
  public let entries: [TensorEntry]
  let file: MappedFile
  let header: Header
  let pool = DecoderPool()
  private let indexByRole: [TensorRole: Int]

  /// Opens the file at `path`.
  ///
  /// Throws `missingInput` where it cannot be opened, `badData` naming the section or tensor where
  /// it is no intact `.declip` file that this tool understands, `inputOutput` where it changes
  /// meanwhile.
  public init(path: String) throws(DeclipError) {
    let file = try MappedFile(path: path)
    let parsed: Parsed
    do throws(DeclipError) {
      parsed = try file.whileUnchanged { () throws(DeclipError) in try Parsed(file.bytes) }
    } catch {
      throw error.inFile(path)
    }
    self.path = path
    self.file = file
    header = parsed.header
    toolVersion = parsed.header.toolVersion
    formatVersion = Int(parsed.header.version)
    sections = parsed.table.sections
    architecture = parsed.architecture
    quantization = parsed.quantization
    provenance = parsed.provenance
    entries = parsed.index.entries
    var indexByRole: [TensorRole: Int] = [:]
    for (index, entry) in entries.enumerated() {
      if let role = entry.role { indexByRole[role] = index }
    }
    self.indexByRole = indexByRole
  }

  /// The length of the file in bytes.
  public var fileLength: UInt64 { header.fileLength }

  /// A checksum of all content: that of the section table, which holds the sections' checksums and,
  /// by way of the index, those of all frames.
  public var checksum: UInt64 { header.tableChecksum }

  /// Whether the file holds the tensor; true for every tensor of the architecture, and for the
  /// scales of every weight in int8.
  public func contains(_ role: TensorRole) -> Bool { indexByRole[role] != nil }

  /// What the index says about a tensor; nil for one that the architecture does not have.
  public func entry(_ role: TensorRole) -> TensorEntry? {
    indexByRole[role].map { entries[$0] }
  }

  /// The tokenizer; nil in a file without. Throws `badData` where it is damaged.
  public func tokenizer() throws(DeclipError) -> TokenizerData? {
    do throws(DeclipError) {
      guard let section = SectionTable(sections)[Section.Name.tokenizer] else { return nil }
      return try TokenizerData(decoding: content(of: section))
    } catch {
      throw error.inFile(path)
    }
  }

  /// A section's checked and decoded content; throws `badData`, or `inputOutput` where the file
  /// changes meanwhile.
  func content(of section: Section) throws(DeclipError) -> ByteView {
    try file.whileUnchanged { () throws(DeclipError) in try section.content(in: file.bytes) }
  }
}

/// What opening reads.
private struct Parsed {
  let header: Header
  let table: SectionTable
  let architecture: Architecture
  let quantization: Quantization?
  let provenance: [String: String]
  let index: TensorIndex

  init(_ file: ByteView) throws(DeclipError) {
    header = try Header(of: file)
    table = try SectionTable(of: file, header)
    let description = try Parsed.require(Section.Name.architecture, table)
    let architecture = try JSONSection.decode(
      Architecture.self, description.content(in: file), description.name, header)
    try architecture.validate()
    self.architecture = architecture
    if let section = table[Section.Name.provenance] {
      provenance = try JSONSection.decode(
        [String: String].self, section.content(in: file), section.name, header)
    } else {
      provenance = [:]
    }
    if let section = table[Section.Name.quantization] {
      quantization = try JSONSection.decode(
        QuantizationRecord.self, section.content(in: file), section.name, header
      ).quantization(of: architecture)
    } else {
      quantization = nil
    }
    let tensors = try Parsed.require(Section.Name.tensors, table)
    let data = try Parsed.require(Section.Name.data, table)
    var index = try TensorIndex(tensors.content(in: file), data: data, header)
    try index.assignRoles(from: architecture, quantization)
    self.index = index
  }

  private static func require(
    _ name: String, _ table: SectionTable
  ) throws(DeclipError) -> Section {
    guard let section = table[name] else {
      throw DeclipError(.badData, "is missing", place: "section '\(name)'")
    }
    return section
  }
}
