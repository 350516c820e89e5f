import Foundation
import Testing

@testable import Model
@testable import Vision

@Suite struct PromptTemplatesTests {
  @Test func templatesNameTheClass() throws {
    #expect(PromptTemplates.single.prompts(for: "car") == ["a photo of a car."])
    let prompts = PromptTemplates.vild.prompts(for: "umbrella")
    #expect(prompts.count == 63 && Set(prompts).count == 63)
    #expect(prompts[0] == "There is an umbrella in the scene.")
    #expect(PromptTemplates.vild.prompts(for: "car")[8] == "a photo of a car.")
    #expect(prompts.allSatisfy { !$0.contains("{") })
  }

  @Test func filesAreReadLineByLine() throws {
    let path = NSTemporaryDirectory() + "declip-templates-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data("# comment\n  a {} here \r\n\nthe {}".utf8).write(to: URL(fileURLWithPath: path))
    #expect(try PromptTemplates(path: path).templates == ["a {} here", "the {}"])
    try Data("a {}\nno place\n".utf8).write(to: URL(fileURLWithPath: path))
    #expect(
      message { try PromptTemplates(path: path) }
        == "\(path): line 2: the template 'no place' has no place for the class, expected '{}' "
        + "where the class goes")
    try Data([0xff, 0xfe, 0]).write(to: URL(fileURLWithPath: path))
    #expect(message { try PromptTemplates(path: path) }?.contains("UTF-8") == true)
    try Data().write(to: URL(fileURLWithPath: path))
    #expect(message { try PromptTemplates(path: path) }?.contains("no prompt template") == true)
    #expect(message { try PromptTemplates([]) } != nil)
    #expect(message { try PromptTemplates(["x"]) }?.hasPrefix("template 1: ") == true)
  }
}
