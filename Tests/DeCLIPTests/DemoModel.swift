import Container
import DeCLIP
import Foundation
import Importers
import Vision

/// The demo model and its pictures in `fixtures/shapes`.
enum DemoModel {
  static let folder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "fixtures/shapes")

  static func path(_ name: String) -> String { folder.appending(path: name).path }

  /// The model, converted and opened.
  static func open() throws -> DeCLIP.Model {
    let file = NSTemporaryDirectory() + "demo-\(UUID().uuidString).declip"
    defer { unlink(file) }
    _ = try Conversion.convert(
      path("model.safetensors"), to: file, importing: ImportOptions(),
      writing: ContainerOptions(toolVersion: "tests"))
    return try DeCLIP.Model(path: file)
  }

  /// A scene, and how it lies in a square input of `size` pixels.
  static func scene(
    _ name: String, size: Int
  ) throws -> (picture: Image, geometry: InputGeometry) {
    let picture = try Image(path: path("scenes/" + name))
    let geometry = try InputGeometry(
      pictureWidth: picture.width, pictureHeight: picture.height, size: size, patchSize: 16,
      fit: .square)
    return (picture, geometry)
  }
}
