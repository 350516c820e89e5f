@testable import Importers
@testable import Model

/// Files that are made to exhaust memory, time or the stack.
extension Corpus {
  static func bombs() throws -> [Entry] {
    try pickleBombs() + archiveBombs() + headerBombs() + tokenizerBombs() + messageBombs()
      + graphBombs() + chainBombs()
  }

  private static func repeated(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: bytes.count * count) { target, initialized in
      for place in 0..<count {
        for (offset, byte) in bytes.enumerated() { target[place * bytes.count + offset] = byte }
      }
      initialized = bytes.count * count
    }
  }

  // MARK: PyTorch

  private static func pickleBombs() -> [Entry] {
    let storage = PickleWriter.storage(count: 4)
    // A tensor in memory 9, a call of its making in memories 7 and 8.
    let call =
      PickleWriter.global("torch._utils", "_rebuild_tensor_v2") + [0x71, 7]
      + PickleWriter.tuple([
        storage, PickleWriter.integer(0), PickleWriter.tuple([Int](repeating: 1, count: 64)),
        PickleWriter.tuple([Int](repeating: 0, count: 64)), [0x89], [0x4E],
      ]) + [0x71, 8, 0x52, 0x71, 9, 0x30]
    let texts = [UInt8](0x61...0x7A).map { PickleWriter.text(String(UnicodeScalar($0))) }
    let bombs: [(String, [UInt8], [UInt8])] = [
      ("empty lists", [], [0x5D]), ("empty dictionaries", [], [0x7D]), ("marks", [], [0x28]),
      ("scalars", [], [0x4E]), ("deep tuples", [0x4E], [0x85]), ("memory", [0x4E], [0x94]),
      ("list", [0x5D], [0x4E, 0x61]), ("dictionary", [0x7D], [0x4E, 0x4E, 0x73]),
      ("tuples", [0x29], [0x28, 0x4E, 0x4E, 0x4E, 0x4E, 0x74]),
      ("tensors", call, [0x68, 7, 0x68, 8, 0x52]),
      ("named tensors", call + [0x7D], texts.flatMap { $0 + [0x68, 9, 0x73] }),
      ("long texts", [], PickleWriter.text(String(repeating: "x", count: 1000))),
      ("storages", [], storage),
    ]
    return [200_000, 6_000_000].flatMap { size in
      bombs.map { name, start, piece in
        Entry("bomb torch \(name) \(size)") {
          let body = start + repeated(piece, size / piece.count)
          return torchArchive(pickle: body + PickleWriter.stop, storages: ["0": [0, 0, 0, 0]])
        }
      }
    }
  }

  private static func archiveBombs() -> [Entry] {
    [
      Entry("bomb zip entries") {
        ZipWriter((0..<60_000).map { .init("a/data/\($0)", []) }).bytes
      },
      Entry("bomb zip pickles") {
        ZipWriter((0..<60_000).map { .init("\($0)/data.pkl", [0x4E, 0x2E]) }).bytes
      },
      Entry("bomb zip expanded tensors") {
        let tensor = PickleWriter.tensor(
          PickleWriter.storage(count: 1), [1 << 20, 1 << 10], strides: [0, 0])
        return torchArchive(
          pickle: PickleWriter.dictionary([("w", tensor)]) + PickleWriter.stop,
          storages: ["0": [0, 0, 0, 0]])
      },
      Entry("bomb zip views of one storage") {
        let tensor = PickleWriter.tensor(
          PickleWriter.storage(count: 1 << 18), [512, 512], strides: [1, 512])
        let items = (0..<400).map { ("blocks.\($0)", tensor) }
        return torchArchive(
          pickle: PickleWriter.dictionary(items) + PickleWriter.stop,
          storages: ["0": [UInt8](repeating: 0, count: 4 << 18)])
      },
    ]
  }

  // MARK: Safetensors and tokenizers

  private static func headerBombs() -> [Entry] {
    func header(_ name: String, _ text: @escaping () -> [UInt8]) -> Entry {
      Entry("bomb header \(name)") {
        let text = text()
        return littleEndian(UInt64(text.count)) + text
      }
    }
    func list(_ start: String, _ piece: String, _ end: String) -> [UInt8] {
      Array(start.utf8) + repeated(Array(piece.utf8), 8_000_000 / piece.utf8.count)
        + Array(end.utf8)
    }
    let escape = #"\u0001"#
    return [
      header("empty arrays") { list(#"{"a":["#, "[],", "[]]}") },
      header("numbers") { list(#"{"a":["#, "1,", "1]}") },
      header("long numbers") { list(#"{"a":["#, "12345678901234567890123,", "1]}") },
      header("objects") { list(#"{"a":["#, #"{"b":1},"#, "1]}") },
      header("texts") { list(#"{"a":["#, #""0123456789abcdef","#, "1]}") },
      header("one escaped text") { list(#"{"a":""#, escape, #""}"#) },
      header("one plain text") { list(#"{"a":""#, "x", #""}"#) },
      header("a shape") {
        list(#"{"a":{"dtype":"U8","data_offsets":[0,0],"shape":["#, "1,", "0]}}")
      },
      header("tensors") {
        let names = (0..<100_000).map { number in
          "\"\(number)\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}"
        }
        return Array("{\(names.joined(separator: ","))}".utf8)
      },
      header("names that have to be spelt out") {
        let names = (0..<20_000).map { number in
          "\"\(String(repeating: escape, count: 60))\(number)\":{\"dtype\":\"U8\",\"shape\":[0],"
            + "\"data_offsets\":[0,0]}"
        }
        return Array("{\(names.joined(separator: ","))}".utf8)
      },
      header("metadata") {
        let names = (0..<300_000).map { number in "\"\(number)\":\"\"" }
        return Array("{\"__metadata__\":{\(names.joined(separator: ","))}}".utf8)
      },
    ]
  }

  private static func tokenizerBombs() throws -> [Entry] {
    let checkpoint = try origin("onnx/models/clip/model.safetensors")
    let configuration = try origin("onnx/models/clip/open_clip_config.json")
    func beside(_ name: String, _ bytes: @escaping () -> [UInt8]) -> Entry {
      Entry("bomb tokenizer \(name)", "model.safetensors") {
        [
          "model.safetensors": checkpoint, "open_clip_config.json": configuration,
          name: bytes(),
        ]
      }
    }
    return [
      beside("bpe_simple_vocab_16e6.txt.gz") { gzipBomb(count: 64 << 20) },
      beside("tokenizer.json") {
        let tokens = (0..<400_000).map { "\"t\($0)\":\($0)" }.joined(separator: ",")
        return Array(
          (#"{"model":{"type":"BPE","end_of_word_suffix":"</w>","merges":[],"vocab":{"#
            + "\(tokens)}}}").utf8)
      },
      beside("bpe_simple_vocab_16e6.txt") {
        Array("#version\n".utf8) + repeated(Array("ab cd\n".utf8), 1_000_000)
      },
    ]
  }

  /// A gzip file of about 400 kB that inflates to `count` bytes: one literal, then copies of 258
  /// bytes from the byte before, in the fixed code of RFC 1951, 3.2.6.
  private static func gzipBomb(count: Int) -> [UInt8] {
    var bytes: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3]
    var (buffer, filled): (UInt32, UInt32) = (0, 0)
    func put(_ code: UInt32, _ width: UInt32) {
      for bit in (0..<width).reversed() {
        buffer |= (code >> bit & 1) << filled
        filled += 1
        if filled == 8 {
          bytes.append(UInt8(buffer))
          (buffer, filled) = (0, 0)
        }
      }
    }
    put(0b110, 3)
    put(0x30 + 0x61, 8)
    for _ in 0..<count / 258 {
      // Length 258 is symbol 285, distance 1 is symbol 0.
      put(0b1100_0101, 8)
      put(0, 5)
    }
    put(0, 7)
    return bytes + [UInt8(buffer), 0, 0, 0, 0, 0, 0, 0, 0]
  }
}
