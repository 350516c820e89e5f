import ArgumentParser
import DeCLIP
import Files
import Runtime
import Vision

/// The options that say which classes a picture is described with.
public struct VocabularyOptions: ParsableArguments {
  /// The classes as given.
  @Option(help: "The classes, separated by commas, or @FILE with one a line.")
  public var classes: String

  /// The prompts for each class.
  @OptionGroup public var prompts: PromptOptions

  /// The path of class embeddings made elsewhere.
  @Option(
    help: """
      A .npy file [classes, embedding] with class embeddings, in the order of --classes; the \
      model then needs no text tower.
      """)
  public var embeddings: String?

  /// Makes options to be parsed.
  public init() {}

  /// The names of the classes; throws what `ClassList.names` throws.
  public func names() throws(DeclipError) -> [String] { try ClassList.names(in: classes) }

  /// The vocabulary of the names; throws what `PromptOptions.vocabulary` throws.
  public func vocabulary(
    _ names: [String], _ model: Model, _ pool: WorkerPool
  ) throws(DeclipError) -> Vocabulary {
    try prompts.vocabulary(names, embeddings: embeddings, model, pool)
  }
}

/// How classes become embeddings.
public struct PromptOptions: ParsableArguments {
  /// The templates as given.
  @Option(help: "Prompts for each class: single, vild, or a file with one template a line.")
  public var templates = "single"

  /// Makes options to be parsed.
  public init() {}

  /// The vocabulary of names: embedded by the model, or taken from a `.npy` file.
  ///
  /// Throws what `Vocabulary`, `PromptTemplates` and `NumPyArray` throw.
  public func vocabulary(
    _ names: [String], embeddings: String?, _ model: Model, _ pool: WorkerPool
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
}

/// Names of classes on the command line or in a file.
public enum ClassList {
  /// The names in `a,b,c`, or in the lines of a file given as `@FILE`; empty ones are left out.
  ///
  /// Throws `missingInput`, or `badData` where the file is no text.
  public static func names(in argument: String) throws(DeclipError) -> [String] {
    guard argument.hasPrefix("@") else { return trimmed(argument.split(separator: ",")) }
    let path = String(argument.dropFirst())
    let bytes = try ByteView(contentsOf: path)
    guard let text = bytes.withUnsafeBytes({ String(validating: $0, as: UTF8.self) }) else {
      throw DeclipError(.badData, "is not UTF-8 text", file: path)
    }
    return trimmed(text.split(whereSeparator: \.isNewline))
  }

  private static func trimmed(_ parts: [Substring]) -> [String] {
    parts.map { $0.trimmingPrefix { $0.isWhitespace } }
      .map { part in
        String(part.reversed().drop { $0.isWhitespace }.reversed())
      }
      .filter { !$0.isEmpty }
  }
}
