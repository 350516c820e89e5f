@testable import Importers
@testable import Model

/// Writes zip archives of stored entries, true ones unless a test bends a field.
struct ZipWriter {
  struct Entry {
    var name: String
    var content: [UInt8]
    var flags: UInt16 = 0
    var method: UInt16 = 0
    /// Differs from the content's in tests of damage.
    var checksum: UInt32
    /// What stands between the local header's name and the content.
    var extra: [UInt8] = []
    /// Extra fields in the directory.
    var directoryExtra: [UInt8] = []
    /// What the local header says instead of the truth.
    var localName: String?
    var localSize: UInt32?
    /// What the directory says instead of the truth.
    var size: UInt32?
    var offset: UInt32?
    /// What follows the content.
    var descriptor: [UInt8] = []

    init(_ name: String, _ content: [UInt8]) {
      self.name = name
      self.content = content
      checksum = crc32(content)
    }
  }

  var entries: [Entry]
  /// Whether the directory's place is told by the ZIP64 records only.
  var isLarge = false
  var comment: [UInt8] = []

  init(_ entries: [Entry]) { self.entries = entries }

  var bytes: [UInt8] {
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for entry in entries {
      let offset = entry.offset ?? UInt32(file.count)
      let size = UInt32(entry.content.count)
      let fields: [UInt8] = littleEndian(entry.flags) + littleEndian(entry.method)
      let stamp = littleEndian(UInt32(0)) + littleEndian(entry.checksum)
      let local = littleEndian(entry.localSize ?? size)
      let localName = Array((entry.localName ?? entry.name).utf8)
      file += Array("PK\u{3}\u{4}".utf8) + littleEndian(UInt16(20)) + fields + stamp
      file += local + local + littleEndian(UInt16(localName.count))
      file += littleEndian(UInt16(entry.extra.count)) + localName + entry.extra
      file += entry.content + entry.descriptor
      let stated = littleEndian(entry.size ?? size)
      let name = Array(entry.name.utf8)
      directory += Array("PK\u{1}\u{2}".utf8) + littleEndian(UInt32(0x14_0014)) + fields + stamp
      directory += stated + stated + littleEndian(UInt16(name.count))
      directory += littleEndian(UInt16(entry.directoryExtra.count))
      directory += [UInt8](repeating: 0, count: 10) + littleEndian(offset) + name
      directory += entry.directoryExtra
    }
    return file + directory + end(start: file.count, size: directory.count)
  }

  private func end(start: Int, size: Int) -> [UInt8] {
    var end: [UInt8] = []
    if isLarge {
      end += Array("PK\u{6}\u{6}".utf8) + littleEndian(UInt64(44)) + littleEndian(UInt32(0x2D_002D))
      end += littleEndian(UInt64(0)) + littleEndian(UInt64(entries.count))
      end += littleEndian(UInt64(entries.count)) + littleEndian(UInt64(size))
      end += littleEndian(UInt64(start))
      end += Array("PK\u{6}\u{7}".utf8) + littleEndian(UInt32(0))
      end += littleEndian(UInt64(start + size)) + littleEndian(UInt32(1))
    }
    let count = isLarge ? UInt16.max : UInt16(entries.count)
    end += Array("PK\u{5}\u{6}".utf8) + littleEndian(UInt32(0)) + littleEndian(count)
    end += littleEndian(count) + littleEndian(isLarge ? UInt32.max : UInt32(size))
    end += littleEndian(isLarge ? UInt32.max : UInt32(start))
    return end + littleEndian(UInt16(comment.count)) + comment
  }
}

/// CRC-32 of zip, bit by bit.
func crc32(_ bytes: [UInt8]) -> UInt32 {
  var state = UInt32.max
  for byte in bytes {
    state ^= UInt32(byte)
    for _ in 0..<8 {
      let carry: UInt32 = state & 1 == 0 ? 0 : 0xEDB8_8320
      state = state >> 1 ^ carry
    }
  }
  return ~state
}

/// Pieces of pickles; a whole one ends in `stop`.
enum PickleWriter {
  static let stop: [UInt8] = [0x2E]

  static func text(_ text: String) -> [UInt8] {
    [0x58] + littleEndian(UInt32(text.utf8.count)) + Array(text.utf8)
  }

  static func integer(_ value: Int) -> [UInt8] { [0x8A, 8] + littleEndian(Int64(value)) }

  static func global(_ module: String, _ name: String) -> [UInt8] {
    Array("c\(module)\n\(name)\n".utf8)
  }

  static func tuple(_ items: [[UInt8]]) -> [UInt8] { [0x28] + items.flatMap { $0 } + [0x74] }

  static func tuple(_ items: [Int]) -> [UInt8] { tuple(items.map { integer($0) }) }

  static func dictionary(_ items: [(String, [UInt8])]) -> [UInt8] {
    [0x7D, 0x28] + items.flatMap { text($0) + $1 } + [0x75]
  }

  static func call(_ function: [UInt8], _ arguments: [[UInt8]]) -> [UInt8] {
    function + tuple(arguments) + [0x52]
  }

  static func storage(
    key: String = "0", type: [UInt8] = global("torch", "FloatStorage"), count: Int
  ) -> [UInt8] {
    tuple([text("storage"), type, text(key), text("cpu"), integer(count)]) + [0x51]
  }

  static func tensor(
    _ storage: [UInt8], offset: Int = 0, _ shape: [Int], strides: [Int]
  ) -> [UInt8] {
    call(
      global("torch._utils", "_rebuild_tensor_v2"),
      [storage, integer(offset), tuple(shape), tuple(strides), [0x89], [0x4E]])
  }
}

/// An archive as torch.save lays it out, around any pickle.
func torchArchive(
  pickle: [UInt8], storages: [String: [UInt8]] = [:], others: [(String, String)] = []
) -> [UInt8] {
  var entries = [ZipWriter.Entry("a/data.pkl", pickle)]
  for (key, content) in storages.sorted(by: { $0.key < $1.key }) {
    entries.append(.init("a/data/" + key, content))
  }
  for (name, content) in others { entries.append(.init(name, Array(content.utf8))) }
  return ZipWriter(entries).bytes
}
