import Model
import ONNX

/// Graphs that are known by their operators and not read: the error says what such a graph is and
/// which one to fetch instead.
enum UnreadGraph {
  /// Throws `badData` where a graph is quantised, fused or a convolutional network.
  static func check(_ model: ONNXModel) throws(DeclipError) {
    for node in model.graph.nodes {
      if quantised.contains(node.operation) {
        throw refusal(
          node, "is quantised",
          remedy: "give that one (model.onnx, not model_quantized.onnx or model_q4.onnx);"
            + " declip-quant makes integers of it")
      }
      if node.domain == "com.microsoft.nchwc"
        || node.domain == "com.microsoft" && fused.contains(node.operation)
      {
        throw refusal(
          node, "was fused by the optimizer of ONNX Runtime",
          remedy: "give the graph as the exporter wrote it, before optimizing")
      }
      if node.domain.isEmpty, convolutional.contains(node.operation) {
        throw refusal(
          node, "is a convolutional network, such as a ResNet,", expected: "a vision transformer",
          remedy: "fetch or export a ViT of the same library")
      }
    }
  }

  private static func refusal(
    _ node: Node, _ what: String, expected: String = "the float graph of a vision transformer",
    remedy: String
  ) -> DeclipError {
    DeclipError(
      .badData, "the graph \(what) and cannot be read", place: node.place, expected: expected,
      remedy: remedy)
  }

  /// Operators on integers that stand for floats, of every domain.
  private static let quantised: Set = [
    "DynamicQuantizeLinear", "QuantizeLinear", "DequantizeLinear", "MatMulInteger", "ConvInteger",
    "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "MatMulNBits",
    "MatMulBnb4", "GatherBlockQuantized", "QLinearMatMul", "QLinearConv", "QLinearAdd",
    "QLinearMul", "QLinearSigmoid", "QLinearSoftmax", "QLinearConcat", "QAttention", "QGemm",
    "QOrderedMatMul", "QMoE", "MatMulFpQ4",
  ]

  /// Operators of ONNX Runtime that stand for several of the exporter's. QuickGelu and FastGelu
  /// are read.
  private static let fused: Set = [
    "Attention", "MultiHeadAttention", "GroupQueryAttention", "PackedAttention",
    "PackedMultiHeadAttention", "DecoderMaskedMultiHeadAttention", "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization", "EmbedLayerNormalization", "SimplifiedLayerNormalization",
    "BiasGelu", "BiasSoftmax", "BiasAdd", "BiasSplitGelu", "FusedMatMul",
    "FusedMatMulActivation", "FusedGemm", "FusedConv", "TransposeMatMul", "GemmFastGelu",
    "RotaryEmbedding", "NhwcConv", "RestorePadding", "RemovePadding",
  ]

  /// Operators that networks of convolutions have and vision transformers do not.
  private static let convolutional: Set = [
    "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "BatchNormalization",
    "ConvTranspose", "LRN",
  ]
}
