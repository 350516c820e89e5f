/// Texts laid one after another into the rows of a plan.
struct PackedTexts {
  private var ids: [Int32]
  private var positions: [Int32]
  private var ends: [Int]
  /// The number of texts.
  private(set) var count = 0
  /// The number of tokens of all texts.
  private(set) var rows = 0
  /// The number of tokens of the longest text.
  private(set) var longest = 0

  init(capacity: Int) {
    ids = Array(repeating: 0, count: capacity)
    positions = Array(repeating: 0, count: capacity)
    ends = Array(repeating: 0, count: capacity)
  }

  /// Replaces the contents; false, with contents undefined, where the texts do not fit.
  mutating func pack(
    _ texts: ArraySlice<[Int32]>, contextLength: Int, vocabularySize: Int
  ) -> Bool {
    (count, rows, longest) = (0, 0, 0)
    for text in texts {
      guard !text.isEmpty, text.count <= contextLength, rows + text.count <= ids.count else {
        return false
      }
      for (position, id) in text.enumerated() {
        guard (0..<vocabularySize).contains(Int(id)) else { return false }
        ids[rows + position] = id
        positions[rows + position] = Int32(position)
      }
      rows += text.count
      ends[count] = rows
      count += 1
      longest = max(longest, text.count)
    }
    return count > 0
  }

  /// The rows of a text.
  func range(_ text: Int) -> Range<Int> {
    (text == 0 ? 0 : ends[text - 1])..<ends[text]
  }

  /// The id at a row and its position in its text.
  func entry(_ row: Int) -> (id: Int, position: Int) {
    (Int(ids[row]), Int(positions[row]))
  }
}
