import Model

/// The order in which nodes can run: each one behind those whose outputs it reads.
///
/// The format asks for this order, but ONNX Runtime sorts by itself, and some tools rely on it.
enum NodeOrder {
  /// The nodes in an order in which they can run; the one they are in where that will do.
  ///
  /// Otherwise nodes that are needed earlier move up to right before the first that needs them, and
  /// all others stay in their order. Takes time in proportion to nodes and inputs. Throws `badData` naming a node of a circle.
  static func sorted(_ nodes: [Node]) throws(DeclipError) -> [Node] {
    var makers: [String: Int] = [:]
    for (index, node) in nodes.enumerated() {
      for output in node.outputs where !output.isEmpty { makers[output] = index }
    }
    let isSorted = nodes.enumerated().allSatisfy { index, node in
      node.inputs.allSatisfy { (makers[$0] ?? -1) < index }
    }
    if isSorted { return nodes }
    var order: [Node] = []
    order.reserveCapacity(nodes.count)
    var states = [State](repeating: .waiting, count: nodes.count)
    // Nodes that wait for others, each with the number of its inputs that were looked at; no
    // recursion, as a chain may be as long as the file.
    var open: [(node: Int, next: Int)] = []
    for start in nodes.indices where states[start] == .waiting {
      open.append((start, 0))
      states[start] = .open
      while let (node, next) = open.popLast() {
        guard next < nodes[node].inputs.count else {
          states[node] = .placed
          order.append(nodes[node])
          continue
        }
        open.append((node, next + 1))
        guard let maker = makers[nodes[node].inputs[next]], states[maker] != .placed else {
          continue
        }
        guard states[maker] == .waiting else { throw circle(nodes[maker], nodes[node]) }
        states[maker] = .open
        open.append((maker, 0))
      }
    }
    return order
  }

  /// How far a node has come.
  private enum State {
    case waiting
    /// Waits for nodes that it needs.
    case open
    case placed
  }

  private static func circle(_ first: Node, _ last: Node) -> DeclipError {
    DeclipError(
      .badData, "waits in a circle for \(last.place)", place: first.place,
      expected: "nodes of which none needs its own output",
      remedy: "the file is damaged; fetch or export it again")
  }
}
