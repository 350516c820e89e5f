// swift-tools-version: 6.1
import PackageDescription

let package = Package(
  name: "declip",
  products: [
    .library(name: "DeCLIP", targets: ["DeCLIP"]),
    .executable(name: "declip-convert", targets: ["declip-convert"]),
    .executable(name: "declip-quant", targets: ["declip-quant"]),
    .executable(name: "declip-run", targets: ["declip-run"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
  ],
  targets: [
    // System libraries.
    .systemLibrary(
      name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(
      name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg62-turbo-dev"])]),
    .systemLibrary(
      name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),

    // C.
    .target(name: "CKernels", exclude: ["float_vector.inc"]),
    .target(name: "CMappings"),
    .target(name: "CONNX", dependencies: ["CProtobufC"]),
    .target(name: "CImages", dependencies: ["CJPEG", "CPNG"]),

    // Swift, lowest first; imports point up this list only.
    .target(name: "Model"),
    .target(name: "Files", dependencies: ["Model", "CMappings"]),
    .target(name: "Container", dependencies: ["Model", "Files", "CKernels", "CZstd"]),
    .target(name: "Runtime", dependencies: ["Model", "CKernels", "COpenBLAS"]),
    .target(
      name: "ONNX",
      dependencies: ["Model", "Files", "CKernels", "CONNX", "CProtobufC", "COpenBLAS"]),
    .target(name: "Importers", dependencies: ["Model", "Files", "CKernels", "CZlib", "ONNX"]),
    .target(name: "Vision", dependencies: ["Model", "Files", "CImages"]),
    .target(
      name: "Quantization",
      dependencies: ["Model", "Files", "Container", "Runtime", "Vision", "COpenBLAS"]),
    .target(
      name: "DeCLIP", dependencies: ["Container", "Importers", "Quantization", "Runtime", "Vision"]
    ),

    // Command lines.
    .target(
      name: "Terminal",
      dependencies: [
        "Model", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .target(
      name: "CommandOptions",
      dependencies: [
        "DeCLIP", "Terminal", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(name: "declip-convert", dependencies: ["DeCLIP", "Terminal"]),
    .executableTarget(
      name: "declip-quant", dependencies: ["DeCLIP", "Terminal", "CommandOptions"]),
    .executableTarget(
      name: "declip-run", dependencies: ["DeCLIP", "Terminal", "CommandOptions"]),

    // Tests.
    .target(name: "CAllocations", path: "Tests/CAllocations"),
    .testTarget(name: "ModelTests", dependencies: ["Model"]),
    .testTarget(name: "FilesTests", dependencies: ["Files"]),
    .testTarget(name: "ContainerTests", dependencies: ["Container"]),
    .testTarget(name: "ONNXTests", dependencies: ["ONNX", "CZlib"]),
    .testTarget(name: "ImportersTests", dependencies: ["Importers", "ONNX", "CAllocations"]),
    .target(name: "CKernelsCheck", dependencies: ["CKernels"], path: "Tests/CKernelsCheck"),
    .testTarget(name: "RuntimeTests", dependencies: ["Runtime", "CKernels", "CKernelsCheck"]),
    .testTarget(name: "QuantizationTests", dependencies: ["Quantization"]),
    .testTarget(name: "VisionTests", dependencies: ["Vision"]),
    .testTarget(
      name: "DeCLIPTests",
      dependencies: ["DeCLIP", "Container", "Importers", "Runtime", "Vision", "Files"]),
    .testTarget(
      name: "CommandLineTests",
      dependencies: [
        "declip-convert", "declip-quant", "declip-run", "Container", "Importers", "Quantization",
        "Terminal", "Vision",
      ]),
  ],
  swiftLanguageModes: [.v6]
)
