/// The constants of the format; `formats/declip.md` is their specification.
enum Layout {
  /// The first eight bytes of every file: not ASCII, then the name, then both line endings, so
  /// that a transfer which changes text shows at once.
  static let magic: [UInt8] = [0x89, 0x44, 0x43, 0x4C, 0x49, 0x50, 0x0D, 0x0A]
  /// The version that this code writes, and the newest that it reads.
  static let version: UInt32 = 1
  /// Sections and frames start at multiples of this.
  static let alignment: UInt64 = 64
  /// Bytes of the header.
  static let headerLength = 128
  /// Bytes of one entry of the section table.
  static let tableEntryLength = 64
  /// Bytes of a section's name in the table.
  static let sectionNameLength = 24
  /// Bytes that the writer's version may take in the header.
  static let toolVersionLength = 80
  /// The most sections that a file may have.
  static let maximumSections = 64
  /// The most bytes that a section other than `data` may decode to.
  static let maximumSectionLength: UInt64 = 32 << 20
  /// The most bytes that a frame may decode to.
  static let maximumFrameLength = 4 << 20
  /// The most bytes of a tensor's name.
  static let maximumNameLength = 255
  /// The most extents of a tensor.
  static let maximumRank = 8
  /// All tensors may decode to this many bytes whatever the file's length.
  static let freeDecodedLength: UInt64 = 256 << 20
  /// Beyond that, to this many times the file's length.
  static let maximumExpansion: UInt64 = 64
  /// The bytes that this writer puts into a frame.
  static let frameLength = 1 << 20

  /// The smallest multiple of the alignment that is not below `offset`; nil on overflow.
  static func aligned(_ offset: UInt64) -> UInt64? {
    let (sum, overflow) = offset.addingReportingOverflow(alignment - 1)
    return overflow ? nil : sum & ~(alignment - 1)
  }
}
