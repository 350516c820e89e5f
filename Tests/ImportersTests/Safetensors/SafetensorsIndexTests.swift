import Testing

@testable import Importers
@testable import Model

@Suite struct SafetensorsIndexTests {
  private let folder: TestFolder
  private let index: String

  init() throws {
    folder = try TestFolder()
    index = folder("model.safetensors.index.json")
    try folder.write(
      "one.safetensors", safetensors([.float32("a", [2]), .float32("b", [1])]))
    try folder.write(
      "two.safetensors", safetensors([.float32("c", [3])], metadata: #"{"format":"pt"}"#))
  }

  private func write(_ map: String) throws {
    try folder.write("model.safetensors.index.json", "{\"weight_map\":\(map)}")
  }

  @Test func readsTensorsFromTheirShards() throws {
    try write(#"{"c":"two.safetensors","a":"one.safetensors","b":"one.safetensors"}"#)
    let source = try SafetensorsIndex.read(path: index)
    #expect(source.tensors.map(\.name) == ["c", "a", "b"])
    #expect(source.tensors.map(\.shape) == [[3], [2], [1]])
    #expect(source.files.map(\.name) == ["two.safetensors", "one.safetensors"])
    #expect(source.metadata == ["format": "pt"])
  }

  @Test func refusesWhatIsNotTrue() throws {
    try folder.write("model.safetensors.index.json", #"{"weight_map":[]}"#)
    expectError(
      "\(index): at byte 0: has no object 'weight_map', expected an index of safetensors files"
    ) {
      try SafetensorsIndex.read(path: index)
    }
    try write(#"{"d":"two.safetensors"}"#)
    expectError(
      "\(index): tensor 'd' at byte 19: is not in 'two.safetensors'; fetch index and shards again"
    ) { try SafetensorsIndex.read(path: index) }
    try write(#"{"d":2}"#)
    expectError("\(index): tensor 'd' at byte 19: is mapped to 2, expected a file name") {
      try SafetensorsIndex.read(path: index)
    }
    try write(#"{"d":"three.safetensors"}"#)
    expectError(
      "\(folder("three.safetensors")): cannot be opened: No such file or directory;"
        + " 'model.safetensors.index.json' names it as a shard"
    ) { try SafetensorsIndex.read(path: index) }
  }

  @Test(arguments: ["", ".", "..", "../one.safetensors", "/etc/passwd", "a/b", "a\\u0000b"])
  func refusesShardsOutsideTheFolder(name: String) throws {
    try write("{\"a\":\"\(name)\"}")
    let shown = name.replacing("\\u0000", with: "\\u{0}")
    expectError(
      "\(index): tensor 'a' at byte 19: is mapped to '\(shown)', expected a plain file name in"
        + " the folder of the index"
    ) { try SafetensorsIndex.read(path: index) }
  }

  @Test func damageInAShardNamesTheShard() throws {
    try folder.write("two.safetensors", [0, 0])
    try write(#"{"c":"two.safetensors"}"#)
    expectError(
      "\(folder("two.safetensors")): holds 2 bytes, expected at least the 8 bytes of a"
        + " safetensors header's length"
    ) { try SafetensorsIndex.read(path: index) }
  }
}
