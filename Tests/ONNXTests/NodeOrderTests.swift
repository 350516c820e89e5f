import Foundation
import Model
import Testing

@testable import ONNX

@Suite struct NodeOrderTests {
  private func node(_ name: String, _ inputs: [String], _ outputs: [String] = []) -> Node {
    Node(
      name: name, operation: "Sum", domain: "", inputs: inputs,
      outputs: outputs.isEmpty ? ["of " + name] : outputs, attributes: [:], metadata: [:])
  }

  private func names(_ nodes: [Node]) throws -> [String] {
    try NodeOrder.sorted(nodes).map(\.name)
  }

  @Test func orderThatWillDoIsKept() throws {
    let nodes = [
      node("c", ["x"]), node("a", ["of c", "x"]), node("d", [""], ["", "of d"]),
      node("b", ["of d", "of a"]),
    ]
    #expect(try names(nodes) == ["c", "a", "d", "b"])
    #expect(try names([]) == [])
  }

  @Test func nodesComeBehindWhatTheyRead() throws {
    let nodes = [
      node("first", ["x"]), node("last", ["of b", "of a"]), node("a", ["of b"]),
      node("b", ["of first"]), node("other", ["x"]),
    ]
    #expect(try names(nodes) == ["first", "b", "a", "last", "other"])
    #expect(try names([node("b", ["of a", "of a"]), node("a", ["x"])]) == ["a", "b"])
  }

  @Test func circlesAreRefusedByName() {
    func error(_ nodes: [Node]) -> String? {
      do throws(DeclipError) {
        _ = try NodeOrder.sorted(nodes)
        return nil
      } catch { return error.description }
    }
    let ending =
      ", expected nodes of which none needs its own output; the file is damaged; fetch or export it"
      + " again"
    #expect(
      error([node("a", ["of a"])])
        == "node 'a' (Sum): waits in a circle for node 'a' (Sum)" + ending)
    #expect(
      error([node("x", ["of b"]), node("a", ["of b"]), node("b", ["of c"]), node("c", ["of b"])])
        == "node 'b' (Sum): waits in a circle for node 'c' (Sum)" + ending)
  }

  @Test func longChainsBackwardsTakeLinearTime() throws {
    let count = 200_000
    let nodes = (0..<count).reversed().map { node("\($0)", ["of \($0 - 1)"]) }
    let sorted = try NodeOrder.sorted(nodes)
    #expect(sorted.first?.name == "0" && sorted.last?.name == "\(count - 1)")
  }

  /// Whole graphs, their nodes turned round, compute the same.
  @Test func graphsTurnedRoundAreRead() throws {
    let whole = try ONNXFile.read(
      path: goldens.appending(path: "openclip-both-legacy17.onnx").path)
    let order = try NodeOrder.sorted(whole.graph.nodes.reversed())
    var computed: Set<String> = Set(whole.graph.inputs.map(\.name))
    computed.formUnion(whole.graph.initializers.keys)
    for node in order {
      #expect(node.inputs.allSatisfy { $0.isEmpty || computed.contains($0) })
      computed.formUnion(node.outputs)
    }
    #expect(order.count == whole.graph.nodes.count)
  }
}
