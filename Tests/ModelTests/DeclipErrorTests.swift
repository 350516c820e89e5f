import Model
import Testing

@Suite struct DeclipErrorTests {
  @Test func textNamesFilePlaceOffsetExpectationAndRemedy() {
    let error = DeclipError(
      .badData, "is 7 bytes long", file: "a.safetensors", place: "tensor 'x'", offset: 12,
      expected: "8", remedy: "download the file again")
    #expect(
      error.description
        == "a.safetensors: tensor 'x' at byte 12: is 7 bytes long, expected 8; "
        + "download the file again")
  }

  @Test func textLeavesOutWhatIsNotKnown() {
    #expect(DeclipError(.usage, "no classes given").description == "no classes given")
    #expect(
      DeclipError(.badData, "is empty").inFile("a").inFile("b").description == "a: is empty")
  }
}
