@testable import Importers
@testable import ONNX

extension Corpus {
  private static let graphs = [
    "eva02-image-simplified", "eva02-both-legacy17", "eva02-image-constants", "eva02-image-half",
    "openclip-image-fused", "openclip-dense-qq", "openclip-image-stored-half", "hf-both-legacy14",
    "hf-image-any-size", "timm-image-opset23",
  ]

  static func onnx() throws -> [Entry] {
    var entries: [Entry] = []
    for name in graphs {
      let original = try origin("onnx/\(name).onnx")
      let tree = ProtobufTree(original)
      func add(_ kind: String, _ count: Int, _ make: @escaping (inout Seeded) -> [UInt8]) {
        entries += Entry.series("onnx \(name) \(kind)", count, make)
      }
      add("truncation", 20) { original.truncated(&$0) }
      add("bit flips", 40) { original.flipped(&$0) }
      add("splices", 15) { original.spliced(&$0) }
      for change in GraphChange.allCases {
        add(change.rawValue, change == .absurdDimensions ? 40 : 20) { change.apply(to: tree, &$0) }
      }
    }
    return entries + (try external())
  }

  /// A graph whose weights lie in another file.
  private static func external() throws -> [Entry] {
    let name = "openclip-image-external.onnx"
    let tree = ProtobufTree(try origin("onnx/" + name))
    let data = try origin("onnx/\(name).data")
    let places = tree.places { $0.owner == .entry && $0.number == 2 }
    let paths = [
      "../secret", "/etc/passwd", "a//b", "", ".", "..", "./model.onnx", "model.onnx", "link",
      "./\(name).data", "x/../\(name).data", "none", "\u{0}", "a\u{0}b",
    ]
    return (0..<200).map { number in
      Entry.random("onnx \(name) path traversal \(number)", "model.onnx") { random in
        var tree = tree
        for _ in 0..<Int.random(in: 1...4, using: &random) {
          guard let place = places.randomElement(using: &random) else { break }
          // Locations hold letters, offsets and lengths do not.
          let isPath = tree[place].bytes.contains { $0 > 0x39 }
          let text =
            isPath
            ? paths.randomElement(using: &random) ?? ""
            : "\(extremes.randomElement(using: &random) ?? 0)"
          tree[place].bytes = Array(text.utf8)
        }
        return ["model.onnx": tree.bytes, name + ".data": data, "secret": [1, 2, 3]]
      }
    }
  }
}

/// Damage to a graph that leaves the encoding whole, so that what is behind it is reached.
private enum GraphChange: String, CaseIterable {
  case lengthLies = "length lies"
  case absurdDimensions = "absurd dimensions"
  case cycles
  case otherInputs = "other inputs"
  case otherOperators = "other operators"
  case otherTypes = "other types"
  case removed = "fields removed"
  case repeated = "fields repeated"

  func apply(to original: ProtobufTree, _ random: inout Seeded) -> [UInt8] {
    var tree = original
    for _ in 0..<Int.random(in: 1...2, using: &random) { change(&tree, &random) }
    return tree.bytes
  }

  private func change(_ tree: inout ProtobufTree, _ random: inout Seeded) {
    switch self {
    case .lengthLies:
      pick(&tree, &random, { $0.wire == 2 }) { field, random in
        let true_ = UInt64(field.fields == nil ? field.bytes.count : 100)
        field.statedLength =
          Bool.random(using: &random)
          ? Corpus.extremes.randomElement(using: &random)
          : true_ &+ UInt64.random(in: 0...8, using: &random) &- 4
      }
    case .absurdDimensions:
      // Of the picture, of tensors, of attributes, in constants: one as often as another.
      let kind = Int.random(in: 0..<4, using: &random)
      pick(&tree, &random, { Self.dimension($0) == kind }) { field, random in
        let value = Corpus.extremes.randomElement(using: &random) ?? 0
        switch (field.owner, field.number) {
        case (.tensor, 9):
          // Sizes to reshape to, axes, bounds of slices.
          let start = Int.random(in: 0..<field.bytes.count / 8, using: &random) * 8
          field.bytes.replaceSubrange(start..<start + 8, with: littleEndian(value))
        case (.tensor, 1) where field.wire == 2:
          field.bytes =
            Bool.random(using: &random)
            ? field.bytes + ProtobufTree.varint(value) : ProtobufTree.varint(value)
        default: field.value = value
        }
      }
    case .cycles:
      // A node reads what it, or a later one, computes; or computes what another does.
      let names = tree.places { $0.owner == .node && $0.number == 2 }.map { tree[$0].bytes }
      let field = Int.random(in: 1...2, using: &random)
      pick(&tree, &random, { $0.owner == .node && $0.number == field }) { field, random in
        field.bytes = names.randomElement(using: &random) ?? []
      }
    case .otherInputs:
      let names = tree.places {
        $0.owner == .node && $0.number == 2 || $0.owner == .tensor && $0.number == 8
      }.map { tree[$0].bytes }
      pick(&tree, &random, { $0.owner == .node && $0.number == 1 }) { field, random in
        field.bytes = names.randomElement(using: &random) ?? []
      }
    case .otherOperators:
      pick(&tree, &random, { $0.owner == .node && $0.number == 4 }) { field, random in
        field.bytes = Array(
          (Interpreter.supportedOperators.randomElement(using: &random) ?? "Loop").utf8)
      }
    case .otherTypes:
      pick(&tree, &random, Self.isType) { field, random in
        field.value = UInt64.random(in: 0...17, using: &random)
      }
    case .removed, .repeated:
      let places = tree.places { _ in true }
      guard let place = places.randomElement(using: &random) else { return }
      tree.change(place) { fields, index in
        if self == .removed {
          fields.remove(at: index)
        } else {
          fields.insert(fields[index], at: index)
        }
      }
    }
  }

  private func pick(
    _ tree: inout ProtobufTree, _ random: inout Seeded,
    _ condition: (ProtobufTree.Field) -> Bool,
    _ change: (inout ProtobufTree.Field, inout Seeded) -> Void
  ) {
    guard let place = tree.places(where: condition).randomElement(using: &random) else { return }
    change(&tree[place], &random)
  }

  private static func dimension(_ field: ProtobufTree.Field) -> Int? {
    switch (field.owner, field.number) {
    case (.dimension, 1): 0
    case (.tensor, 1): 1
    case (.attribute, 3), (.attribute, 8): 2
    case (.tensor, 9) where (8...64).contains(field.bytes.count): 3
    default: nil
    }
  }

  private static func isType(_ field: ProtobufTree.Field) -> Bool {
    switch (field.owner, field.number) {
    case (.tensor, 2), (.tensorType, 1), (.attribute, 20), (.operators, 2), (.attribute, 3):
      field.wire == 0
    default: false
    }
  }
}
