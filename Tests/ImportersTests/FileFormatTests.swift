import Testing

@testable import Importers
@testable import Model

@Suite struct FileFormatTests {
  private let folder: TestFolder

  init() throws { folder = try TestFolder() }

  private static let twin = "fetch the same model's model.safetensors or pytorch_model.bin"
  private static let origin =
    "fetch the safetensors or PyTorch checkpoint that it was made of, or its ONNX graph"
  private static let saved =
    "save its weights with safetensors.torch.save_file and convert that file"

  private static let formats: [(bytes: [UInt8], name: String, remedy: String)] = [
    (Array("GGUF\u{3}\0\0\0".utf8), "a GGUF file", twin),
    ([0x89] + Array("HDF\r\n\u{1a}\n".utf8), "an HDF5 file, such as Keras writes", twin),
    ([0x1C, 0, 0, 0] + Array("TFL3".utf8) + [0x14, 0], "a TensorFlow Lite model", origin),
    ([0x93] + Array("NUMPY\u{1}\0".utf8), "a NumPy array", twin),
    (
      Array("<?xml version=\"1.0\"?>\n<net name=\"Model0\" version=\"11\">".utf8),
      "an OpenVINO model", origin
    ),
    (
      Array("<!DOCTYPE html><html>".utf8), "a web page",
      "fetch the file itself and not the page about it"
    ),
    ([0x84, 0xAA] + Array("text_model".utf8) + [0x81], "a Flax checkpoint (msgpack)", twin),
    ([0xDE, 0, 0x20, 0xD9, 4] + Array("text".utf8) + [0x81], "a Flax checkpoint (msgpack)", twin),
    (ZipWriter([.init("a.npy", [1])]).bytes, "a NumPy archive (.npz)", twin),
    (
      ZipWriter([.init("clip/model.onnx", [1])]).bytes, "a zip archive with 'clip/model.onnx'",
      "unpack it, and give the ONNX, safetensors or PyTorch file in it"
    ),
    ([0x80, 2, 0x8A, 10], "a bare Python pickle", saved),
    (
      Array("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n".utf8),
      "the pointer to a Git LFS file", "fetch the file itself with git lfs pull"
    ),
  ]

  @Test(arguments: formats.indices) func otherFormatsAreToldByTheirFirstBytes(index: Int) throws {
    let (bytes, name, remedy) = Self.formats[index]
    let path = try folder.write("model.safetensors", bytes)
    expectError(
      "\(path): is \(name), which cannot be read, expected an ONNX, safetensors or PyTorch file; "
        + remedy
    ) { try CheckpointImporter.read(path: path) }
  }

  @Test func emptyFilesAreEmpty() throws {
    let path = try folder.write("model.safetensors", [])
    expectError(
      "\(path): is empty, expected an ONNX, safetensors or PyTorch file; fetch or save it again"
    ) { try CheckpointImporter.read(path: path) }
  }

  @Test func namesTellWhatContentDoesNot() throws {
    try folder.write("model.xml", "<?xml version=\"1.0\"?><net>")
    for (file, name) in [("model.bin", "an OpenVINO model"), ("a.mlmodel", "a Core ML model")] {
      let path = try folder.write(file, [8, 7, 0x12, 0])
      expectError(
        "\(path): is \(name), which cannot be read, expected an ONNX, safetensors or PyTorch file; "
          + Self.origin
      ) { try CheckpointImporter.read(path: path) }
    }
  }

  @Test func packagesAreFolders() throws {
    try folder.write("Manifest.json", "{}")
    try folder.makeFolder("Data")
    expectError(
      "\(folder.path): is a Core ML package, which cannot be read, expected an ONNX, safetensors or"
        + " PyTorch file; \(Self.origin)"
    ) { try CheckpointImporter.read(path: folder.path) }
    let saved = try TestFolder()
    try saved.write("saved_model.pb", [8, 1])
    expectError(
      "\(saved.path): is a SavedModel of TensorFlow, which cannot be read, expected an ONNX,"
        + " safetensors or PyTorch file; \(Self.twin)"
    ) { try CheckpointImporter.read(path: saved.path) }
  }
}
