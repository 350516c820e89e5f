import Files
import Model

/// Sentences in which a class is named; the mean embedding of all of them is the class's.
public struct PromptTemplates: Hashable, Sendable {
  /// Sentences with `{}` where the class goes, and `{article}` where "a" or "an" goes.
  public let templates: [String]

  /// Makes templates from sentences; throws `usage` where there is none, or one lacks `{}`.
  public init(_ templates: [String]) throws(DeclipError) {
    guard !templates.isEmpty else {
      throw DeclipError(.usage, "there is no prompt template", expected: "at least one")
    }
    for (index, template) in templates.enumerated() where !template.contains("{}") {
      throw DeclipError(
        .usage, "the template '\(template)' has no place for the class",
        place: "template \(index + 1)", expected: "'{}' where the class goes")
    }
    self.templates = templates
  }

  /// Reads templates from a UTF-8 file, one a line; empty lines and lines that start with `#` do
  /// not count.
  ///
  /// Throws `missingInput`, or `badData` where a line lacks `{}` or the file is no such text.
  public init(path: String) throws(DeclipError) {
    let bytes = try ByteView(contentsOf: path)
    let text = bytes.withUnsafeBytes { String(validating: $0, as: UTF8.self) }
    guard let text, bytes.count <= 1 << 20 else {
      throw DeclipError(
        .badData, "is not a list of prompt templates", file: path,
        expected: "UTF-8 text of at most 1 MiB")
    }
    var templates: [String] = []
    for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
      .enumerated()
    {
      let template = line.trimmingSpaces
      if template.isEmpty || template.hasPrefix("#") { continue }
      guard template.contains("{}") else {
        throw DeclipError(
          .badData, "the template '\(template)' has no place for the class", file: path,
          place: "line \(number + 1)", expected: "'{}' where the class goes")
      }
      templates.append(String(template))
    }
    guard !templates.isEmpty else {
      throw DeclipError(
        .badData, "holds no prompt template", file: path, expected: "one a line, with '{}'")
    }
    self.templates = templates
  }

  /// The sentences for one class, one a template.
  public func prompts(for name: String) -> [String] {
    let article = PromptTemplates.article(for: name)
    return templates.map { template in
      template.replacing("{article}", with: article).replacing("{}", with: name)
    }
  }

  /// "an" before a vowel letter, "a" otherwise; spelling decides, not sound.
  private static func article(for name: String) -> String {
    name.first.map { "aeiouAEIOU".contains($0) } == true ? "an" : "a"
  }

  private init(known templates: [String]) { self.templates = templates }

  /// One plain sentence, usual on small machines.
  public static let single = PromptTemplates(known: ["a photo of a {}."])

  /// The 63 sentences of ViLD (Gu et al., arXiv 2104.13921), after CLIP's for ImageNet.
  public static let vild = PromptTemplates(
    known: [
      "There is {article} {} in the scene.", "There is the {} in the scene.",
      "a photo of {article} {} in the scene.", "a photo of the {} in the scene.",
      "a photo of one {} in the scene.", "itap of {article} {}.", "itap of my {}.",
      "itap of the {}.", "a photo of {article} {}.", "a photo of my {}.", "a photo of the {}.",
      "a photo of one {}.", "a photo of many {}.", "a good photo of {article} {}.",
      "a good photo of the {}.", "a bad photo of {article} {}.", "a bad photo of the {}.",
      "a photo of a nice {}.", "a photo of the nice {}.", "a photo of a cool {}.",
      "a photo of the cool {}.", "a photo of a weird {}.", "a photo of the weird {}.",
      "a photo of a small {}.", "a photo of the small {}.", "a photo of a large {}.",
      "a photo of the large {}.", "a photo of a clean {}.", "a photo of the clean {}.",
      "a photo of a dirty {}.", "a photo of the dirty {}.", "a bright photo of {article} {}.",
      "a bright photo of the {}.", "a dark photo of {article} {}.", "a dark photo of the {}.",
      "a photo of a hard to see {}.", "a photo of the hard to see {}.",
      "a low resolution photo of {article} {}.", "a low resolution photo of the {}.",
      "a cropped photo of {article} {}.", "a cropped photo of the {}.",
      "a close-up photo of {article} {}.", "a close-up photo of the {}.",
      "a jpeg corrupted photo of {article} {}.", "a jpeg corrupted photo of the {}.",
      "a blurry photo of {article} {}.", "a blurry photo of the {}.",
      "a pixelated photo of {article} {}.", "a pixelated photo of the {}.",
      "a black and white photo of the {}.", "a black and white photo of {article} {}.",
      "a plastic {}.", "the plastic {}.", "a toy {}.", "the toy {}.", "a plushie {}.",
      "the plushie {}.", "a cartoon {}.", "the cartoon {}.", "an embroidered {}.",
      "the embroidered {}.", "a painting of the {}.", "a painting of a {}.",
    ])
}

extension StringProtocol {
  /// The text without spaces and tabs around it.
  fileprivate var trimmingSpaces: SubSequence {
    guard let first = firstIndex(where: { !$0.isWhitespace }),
      let last = lastIndex(where: { !$0.isWhitespace })
    else { return self[startIndex..<startIndex] }
    return self[first...last]
  }
}
