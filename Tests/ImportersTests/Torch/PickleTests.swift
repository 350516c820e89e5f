import Files
import Testing

@testable import Importers
@testable import Model

@Suite struct PickleTests {
  /// Reads a pickle as if it lay in a file of 1 GB, so that only the machine itself is tried.
  private func read(_ bytes: [UInt8], fileSize: Int = 1 << 30) throws -> Pickle {
    try Pickle(ByteView(bytes), fileOffset: 100, budget: MemoryBudget(fileSize: fileSize))
  }

  /// The value of a pickle as text, so that whole structures compare in one line.
  private func value(_ body: [UInt8]) throws -> String {
    let pickle = try read(body + PickleWriter.stop)
    return describe(pickle.root, in: pickle)
  }

  private func describe(_ value: PickleValue, in pickle: Pickle) -> String {
    let list = { (values: [PickleValue]) in
      values.map { describe($0, in: pickle) }.joined(separator: ",")
    }
    switch value {
    case .none: return "None"
    case .bool(let bool): return "\(bool)"
    case .integer(let integer): return "\(integer)"
    case .number(let number): return "\(number)"
    case .global(let global): return "\(global)"
    case .object:
      switch pickle.object(value) {
      case .text(let text): return "'\(text)'"
      case .tuple(let items): return "(\(list(items)))"
      case .list(let items): return "[\(list(items.elements))]"
      case .dictionary(let items):
        let texts = items.elements.map {
          describe($0.key, in: pickle) + ":" + describe($0.value, in: pickle)
        }
        return "{\(texts.joined(separator: ","))}"
      case .storage(let storage): return "storage \(storage.key) of \(storage.count)"
      case .tensor(let tensor): return "\(tensor.element) \(tensor.shape)"
      case .ignored, nil: return "ignored"
      }
    }
  }

  private func expectRefusal(
    _ text: String, at offset: Int, _ bytes: [UInt8],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    expectError("pickle at byte \(100 + offset): \(text)", sourceLocation: sourceLocation) {
      try read(bytes)
    }
  }

  // MARK: - Opcodes

  private static let scalars: [([UInt8], String)] = [
    ([0x4E], "None"), ([0x88], "true"), ([0x89], "false"),
    ([0x4B, 0xFF], "255"), ([0x4D, 0xFE, 0xFF], "65534"), ([0x4A, 0xFE, 0xFF, 0xFF, 0xFF], "-2"),
    ([0x8A, 0], "0"), ([0x8A, 1, 0xFF], "-1"), ([0x8A, 2, 0xFF, 0], "255"),
    ([0x8A, 8, 0, 0, 0, 0, 0, 0, 0, 0x80], "\(Int.min)"),
    ([0x8A, 9, 0, 0, 0, 0, 0, 0, 0, 0x80, 0], "ignored"),
    ([0x8B, 3, 0, 0, 0, 1, 2, 3], "197121"),
    ([0x47, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0], "1.5"),
    ([0x8C, 2, 0xC3, 0xA9], "'é'"), ([0x58, 1, 0, 0, 0, 0x61], "'a'"),
    ([0x8D, 1, 0, 0, 0, 0, 0, 0, 0, 0x61], "'a'"), ([0x55, 1, 0x61], "'a'"),
    ([0x54, 1, 0, 0, 0, 0xFF], "ignored"), ([0x43, 1, 0xFF], "ignored"),
    ([0x42, 1, 0, 0, 0, 0xFF], "ignored"), ([0x8E, 1, 0, 0, 0, 0, 0, 0, 0, 0xFF], "ignored"),
    ([0x96, 1, 0, 0, 0, 0, 0, 0, 0, 0xFF], "ignored"),
  ]

  @Test(arguments: scalars)
  func scalarsAndTexts(bytes: [UInt8], expected: String) throws {
    #expect(try value(bytes) == expected)
    #expect(try value([0x80, 2] + bytes) == expected)
    #expect(
      try value([0x80, 5, 0x95] + littleEndian(UInt64(bytes.count + 1)) + bytes) == expected)
  }

  private static let collections: [(String, String)] = [
    (")", "()"), ("(t", "()"), ("(NN)t", "(None,None,())"), ("N\u{85}", "(None)"),
    ("K\u{1}K\u{2}\u{86}", "(1,2)"), ("K\u{1}K\u{2}K\u{3}\u{87}", "(1,2,3)"), ("]", "[]"),
    ("]Na", "[None]"), ("](NNe", "[None,None]"), ("(Nl", "[None]"), ("}", "{}"),
    ("}K\u{1}Ns", "{1:None}"), ("}(K\u{1}NK\u{2}Nu", "{1:None,2:None}"), ("(K\u{1}Nd", "{1:None}"),
    ("\u{8F}(N\u{90}", "ignored"), ("(N\u{91}", "ignored"), ("N2\u{86}", "(None,None)"),
    ("NK\u{1}0", "None"), ("N(K\u{1}1", "None"), ("N(0", "None"),
    ("]q\u{5}h\u{5}h\u{5}\u{87}", "([],[],[])"), ("]\u{94}h\u{0}\u{86}", "([],[])"),
    ("]r\u{1}\u{1}\u{0}\u{0}j\u{1}\u{1}\u{0}\u{0}\u{86}", "([],[])"),
    ("]p12\ng12\n\u{86}", "([],[])"),
    // One list under two names.
    ("]q\u{0}h\u{0}K\u{1}ah\u{0}\u{87}", "([1],[1],[1])"),
  ]

  @Test(arguments: collections)
  func collectionsAndMemory(opcodes: String, expected: String) throws {
    #expect(try value(opcodes.unicodeScalars.map { UInt8($0.value) }) == expected)
  }

  @Test func callsOfKnownGlobals() throws {
    let ordered = PickleWriter.global("collections", "OrderedDict")
    let stack = PickleWriter.text("collections") + PickleWriter.text("OrderedDict") + [0x93]
    let namespace = PickleWriter.global("argparse", "Namespace")
    let storage = PickleWriter.storage(count: 6)
    #expect(try value(ordered + [0x29, 0x52]) == "{}")
    #expect(try value(stack + [0x29, 0x81]) == "{}")
    #expect(try value(ordered + [0x29, 0x52, 0x7D, 0x62]) == "{}")
    #expect(try value(namespace + [0x29, 0x81, 0x7D, 0x62]) == "ignored")
    #expect(try value(namespace + [0x29, 0x7D, 0x92]) == "ignored")
    #expect(
      try value(PickleWriter.global("torch", "bfloat16"))
        == "element(Importers.TorchElement.bfloat16)")
    let size = PickleWriter.tuple([2, 3])
    #expect(try value(PickleWriter.call(PickleWriter.global("torch", "Size"), [size])) == "(2,3)")
    #expect(try value(storage) == "storage 0 of 6")
    let tensor = PickleWriter.tensor(storage, [2, 3], strides: [3, 1])
    #expect(try value(tensor) == "float32 [2, 3]")
    let parameter = PickleWriter.global("torch._utils", "_rebuild_parameter")
    #expect(try value(PickleWriter.call(parameter, [tensor, [0x88], [0x7D]])) == "float32 [2, 3]")
  }

  // MARK: - Refusals

  private static let weightsOnly =
    ", which is not data, expected tensors in plain dictionaries; save the weights alone with"
    + " torch.save(model.state_dict(), path) or with safetensors.torch.save_file"

  @Test(arguments: [
    ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("__builtin__", "exec"),
    ("builtins", "getattr"), ("subprocess", "Popen"), ("torch", "load"), ("torch.hub", "load"),
    ("torch", "__dict__"), ("numpy", "load"), ("collections", "namedtuple"), ("__main__", "Net"),
    ("torch._utils", "_rebuild_tensor_v2.__globals__"), ("", ""), ("collections", "OrderedDict "),
  ])
  func otherGlobalsAreRefusedByName(module: String, name: String) {
    let refusal = "needs '\(module).\(name)'" + Self.weightsOnly
    let arguments = PickleWriter.tuple([PickleWriter.text("touch /tmp/x")]) + [0x52, 0x2E]
    expectRefusal(refusal, at: 0, PickleWriter.global(module, name) + arguments)
    let names = PickleWriter.text(module) + PickleWriter.text(name)
    expectRefusal(refusal, at: names.count, names + [0x93] + arguments)
    expectRefusal(refusal, at: 1, Array("(i\(module)\n\(name)\n".utf8) + arguments)
    // Also where the value would never be looked at.
    expectRefusal(refusal, at: 1, [0x7D] + PickleWriter.global(module, name) + [0x30, 0x2E])
  }

  @Test func namesOfGlobalsFitOnOneLine() {
    let global = PickleWriter.global("o\u{1B}s", String(repeating: "x", count: 200))
    expectRefusal(
      "needs 'o\\u{1b}s.\(String(repeating: "x", count: 96))…'" + Self.weightsOnly, at: 0, global)
  }

  private static let faults: [(String, Int, String)] = [
    ("", 0, "1 bytes reach beyond its end; the file may be damaged; fetch it again"),
    ("N", 1, "1 bytes reach beyond its end; the file may be damaged; fetch it again"),
    (".", 0, "takes a value that is not there"),
    ("NN.", 2, "ends with values left over"), ("(N.", 2, "ends with values left over"),
    ("N.N", 1, "1 bytes follow its end"),
    (
      "\u{80}\u{6}", 0, "protocol 6 is unknown, expected protocol 2 to 5"
    ),
    (
      "\u{82}\u{1}.", 0,
      "opcode 0x82 is none that checkpoints use; check that the file was written by torch.save"
    ),
    ("N\u{86}.", 1, "takes a value that is not there"),
    ("N(\u{85}.", 2, "takes a value that is not there"),
    ("t.", 0, "returns to a mark that was not set"),
    ("h\u{3}.", 0, "recalls value 3, which is not there"),
    ("g1x\n.", 0, "'1x' is no number of a memorised value"), ("g1", 0, "a line does not end"),
    ("NNa.", 2, "appends to a scalar"), (")Na.", 2, "appends to a tuple"),
    ("}(Nu.", 3, "sets an item without a value"), ("]NNs.", 3, "sets items of a list"),
    ("N)R.", 2, "calls something that is no function"),
    ("ccollections\nOrderedDict\nNR.", 26, "calls a function with something that is no tuple"),
    (
      "ccollections\nOrderedDict\n]\u{85}R.", 27,
      "makes a dictionary from arguments, expected items that are set one by one"
    ),
    ("ctorch\nfloat32\n)R.", 16, "calls an element type or a storage"),
    ("NQ.", 1, "a persistent id is no storage, expected ('storage', class, key, location, count)"),
    ("NNb.", 2, "sets attributes of a value that has none"),
    ("NN\u{93}.", 2, "names a global by something that is no text"),
    ("\u{8C}\u{1}\u{FF}.", 0, "a text is not UTF-8"),
    (
      "\u{8D}\u{FF}\u{FF}\u{FF}\u{FF}\u{FF}\u{FF}\u{FF}\u{FF}.", 0,
      "18446744073709551615 bytes reach beyond its end; the file may be damaged; fetch it again"
    ),
    (
      "\u{8B}\u{FF}\u{FF}\u{FF}\u{FF}.", 0,
      "4294967295 bytes reach beyond its end; the file may be damaged; fetch it again"
    ),
    (
      "\u{95}\u{9}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}N.", 0,
      "9 bytes reach beyond its end; the file may be damaged; fetch it again"
    ),
  ]

  @Test(arguments: faults)
  func faultsAreNamed(opcodes: String, offset: Int, problem: String) {
    expectRefusal(problem, at: offset, opcodes.unicodeScalars.map { UInt8($0.value) })
  }

  @Test func tensorsFromOtherArgumentsAreRefused() {
    let rebuild = PickleWriter.global("torch._utils", "_rebuild_tensor_v2")
    let storage = PickleWriter.storage(count: 6)
    let shape = PickleWriter.tuple([2])
    let flags: [[UInt8]] = [[0x89], [0x4E]]
    func expect(_ problem: String, _ arguments: [[UInt8]]) {
      let call = PickleWriter.call(rebuild, arguments)
      expectRefusal(problem, at: call.count - 1, call + PickleWriter.stop)
    }
    let other = "makes a tensor from other arguments, expected storage, offset, size and stride"
    expect(other, [])
    expect(other, [storage, PickleWriter.integer(0), shape])
    expect(other, [shape, PickleWriter.integer(0), shape, shape])
    expect(other, [storage, shape, shape, shape])
    expect(other, [storage, PickleWriter.integer(0), PickleWriter.tuple([[0x4E]]), shape])
    let large = PickleWriter.tuple([Int](repeating: 1, count: 65))
    expect(other, [storage, PickleWriter.integer(0), large, large])
    expect(
      "makes a tensor with a pending operation; call resolve_neg() and resolve_conj() before"
        + " saving",
      [storage, PickleWriter.integer(0), shape, shape] + flags
        + [PickleWriter.dictionary([("neg", [0x88])])])
    let untyped = PickleWriter.global("torch.storage", "UntypedStorage")
    expect(
      "makes a tensor without an element type",
      [PickleWriter.storage(type: untyped, count: 6), PickleWriter.integer(0), shape, shape])
  }

  // MARK: - Bombs

  @Test func deepNestingIsHarmless() throws {
    let depth = 1_000_000
    let lists = [UInt8](repeating: 0x28, count: depth) + [UInt8](repeating: 0x6C, count: depth)
    #expect(throws: Never.self) { try read(lists + PickleWriter.stop) }
    let tuples = [0x29] + [UInt8](repeating: 0x85, count: depth) + PickleWriter.stop
    #expect(throws: Never.self) { try read(tuples) }
    let fewer = [0x29] + [UInt8](repeating: 0x85, count: depth / 10) + PickleWriter.stop
    expectError(
      "holds a tuple, expected a dictionary of tensors; save the weights with"
        + " torch.save(model.state_dict(), path)"
    ) { try TorchFile(bytes: ByteView(torchArchive(pickle: fewer)), path: "a.pt") }
  }

  @Test func listsMayHoldThemselves() throws {
    // l = []; l.append(l)
    #expect(throws: Never.self) { try read([0x5D, 0x94, 0x68, 0, 0x61, 0x2E]) }
  }

  /// Every level holds the one before ten times: 10^300 leaves if anything were unfolded.
  @Test func repeatedReferencesAreNotUnfolded() throws {
    var bytes: [UInt8] = [0x5D, 0x71, 0]
    for level in 1...255 {
      bytes += [0x28] + (0..<10).flatMap { _ in [0x68, UInt8(level - 1)] }
      bytes += [0x6C, 0x71, UInt8(level)]
    }
    // All levels are taken off the stack; the last one comes back from the memo.
    let kept = [0x28] + bytes + [0x31, 0x68, 255, 0x2E]
    #expect(throws: Never.self) { try read(kept) }
  }

  /// Growing and marking stay linear: each of these would take minutes if the list, the dictionary
  /// or the stack were copied every time.
  @Test func longPicklesTakeLinearTime() throws {
    let count = 1_000_000
    let items = (0..<count).flatMap { _ in [0x4E, 0x61] as [UInt8] }
    let pairs = (0..<count).flatMap { _ in [0x4E, 0x4E, 0x73] as [UInt8] }
    let tuples = (0..<count).flatMap { _ in [0x28, 0x4E, 0x74] as [UInt8] }
    let seconds = processorSeconds {
      #expect(throws: Never.self) { try read([0x5D] + items + PickleWriter.stop) }
      #expect(throws: Never.self) { try read([0x7D] + pairs + PickleWriter.stop) }
      #expect(throws: Never.self) { try read([0x28] + tuples + [0x74] + PickleWriter.stop) }
    }
    #expect(seconds < 20)
  }

  /// Each of these adds a value a byte, in every table that the machine has.
  @Test(
    arguments: [
      ("empty lists", [], [0x5D]), ("marks", [], [0x28]), ("scalars", [], [0x4E]),
      ("tuples", [0x4E], [0x85]), ("memorised values", [0x4E], [0x94]),
      ("elements", [0x5D], [0x4E, 0x61]), ("items", [0x7D], [0x4E, 0x4E, 0x73]),
      ("tuples of many", [0x29], [0x28, 0x4E, 0x4E, 0x4E, 0x4E, 0x74]),
    ] as [(String, [UInt8], [UInt8])])
  func numbersOfValuesFollowTheFile(what: String, start: [UInt8], repeated: [UInt8]) {
    let count = 4_000_000 / repeated.count
    let bytes = start + (0..<count).flatMap { _ in repeated }
    do {
      _ = try read(bytes, fileSize: bytes.count)
      Issue.record("\(what) were read")
    } catch let error as DeclipError {
      #expect(
        error.problem == "asks for more memory than a file of its size needs", "\(what): \(error)")
      // 48 MB and twice the file are full long before the end.
      #expect(error.offset ?? .max < 2_500_000, "\(what): \(error)")
    } catch {
      Issue.record("\(what): \(error)")
    }
  }

  @Test func longPicklesAreRefused() {
    let long = [UInt8](repeating: 0x4E, count: Pickle.largestLength + 1)
    expectRefusal(
      "33554433 bytes exceed the limit, expected at most 33554432", at: 0, long)
  }
}
