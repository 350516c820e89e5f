import Model

/// What of a plan a float engine computes: all of it, or what another engine leaves to it.
struct FloatDuty {
  /// The part of a step.
  enum Share {
    case all
    case none
    /// Of a gated pair the product with the gate, whose target it becomes.
    case gate
    /// Of a gated pair the other product, which goes to `Slot.gateOperand`.
    case up
  }

  /// What is computed of a step.
  var share: (Step) -> Share = { _ in .all }
  /// Whether a slot stands in this engine's memory.
  var places: (Slot) -> Bool = { _ in true }
  /// A number for every step: steps of one number are done for some rows before others, so that
  /// their slots may not share memory even where one begins when another ends. Empty: no such steps.
  var phases: [Int] = []
  /// What multiplies.
  var products = FloatProducts.openBLAS
}
