import ArgumentParser
import DeCLIP
import Files
import Runtime
import Vision

/// The options that say which classes a picture is described with.
struct VocabularyOptions: ParsableArguments {
  @Option(help: "The classes, separated by commas, or @FILE with one a line.")
  var classes: String

  @Option(help: "Prompts for each class: single, vild, or a file with one template a line.")
  var templates = "single"

  @Option(
    help: """
      A .npy file [classes, embedding] with class embeddings, in the order of --classes; the \
      model then needs no text tower.
      """)
  var embeddings: String?

  func names() throws(DeclipError) -> [String] {
    guard classes.hasPrefix("@") else { return list(classes.split(separator: ",")) }
    let path = String(classes.dropFirst())
    let bytes = try MappedFile(path: path).bytes
    guard let text = bytes.withUnsafeBytes({ String(validating: $0, as: UTF8.self) }) else {
      throw DeclipError(.badData, "is not UTF-8 text", file: path)
    }
    return list(text.split(whereSeparator: \.isNewline))
  }

  func vocabulary(
    _ names: [String], _ model: Model, _ pool: WorkerPool
  ) throws(DeclipError) -> Vocabulary {
    guard let embeddings else {
      return try Vocabulary(names, model: model, templates: promptTemplates(), pool: pool)
    }
    return try Vocabulary(
      names, embeddings: NumPyArray(path: embeddings), file: embeddings, model: model)
  }

  private func promptTemplates() throws(DeclipError) -> PromptTemplates {
    switch templates {
    case "single": .single
    case "vild": .vild
    default: try PromptTemplates(path: templates)
    }
  }

  private func list(_ parts: [Substring]) -> [String] {
    parts.map { $0.trimmingPrefix { $0.isWhitespace } }
      .map { part in
        String(part.reversed().drop { $0.isWhitespace }.reversed())
      }
      .filter { !$0.isEmpty }
  }
}
