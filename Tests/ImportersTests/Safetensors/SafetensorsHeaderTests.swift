import Testing

@testable import Importers
@testable import Model

@Suite struct SafetensorsHeaderTests {
  private func read(_ bytes: [UInt8]) throws -> SafetensorsFile {
    try SafetensorsFile(bytes: ByteView(bytes), path: "a")
  }

  /// A header with one tensor `a` and the fields that a test spells out.
  private func one(_ fields: String) -> String { "{\"a\":{\(fields)}}" }

  @Test func readsTensorsAndMetadata() throws {
    let header =
      #"{"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2,3],"data_offsets":[4,16]},"#
      + #""a":{"dtype":"I32","shape":[],"data_offsets":[0,4]},"#
      + #""none":{"dtype":"F32","shape":[0,7],"data_offsets":[16,16]}}    "#
    let file = try read(safetensors(header: header, dataCount: 16))
    #expect(file.metadata == ["format": "pt"])
    #expect(file.tensors.map(\.name) == ["b", "a", "none"])
    let b = try #require(file["b"])
    #expect(b.dataType == .float16)
    #expect(b.shape == [2, 3])
    #expect(b.bytes.array == Array(4..<16))
    #expect(file["a"]?.tensor?.elementCount == 1)
    #expect(file["none"]?.tensor?.elementCount == 0)
    #expect(file["c"] == nil)
  }

  @Test func namesAreToldApartByBytes() throws {
    let header =
      "{\"\u{e9}\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
      + "\"e\u{301}\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}"
    let file = try read(safetensors(header: header, dataCount: 2))
    #expect(file["\u{e9}"]?.bytes.array == [0])
    #expect(file["e\u{301}"]?.bytes.array == [1])
  }

  @Test func typesThatAreNotComputedWithAreListed() throws {
    for element in SafetensorsElement.allCases {
      let fields =
        "\"dtype\":\"\(element.rawValue)\",\"shape\":[2],"
        + "\"data_offsets\":[0,\(2 * element.byteWidth)]"
      let file = try read(safetensors(header: one(fields), dataCount: 2 * element.byteWidth))
      #expect(file["a"]?.elementType == element.rawValue)
      #expect(file["a"]?.tensor?.dataType == element.dataType)
    }
  }

  @Test func errorsNameTheFile() throws {
    let folder = try TestFolder()
    let path = try folder.write("short.safetensors", [1, 2, 3])
    expectError(
      "\(path): holds 3 bytes, expected at least the 8 bytes of a safetensors header's length"
    ) { try SafetensorsFile(path: path) }
  }

  @Test func refusesLengthsThatAreNotTrue() {
    expectError(
      "holds 0 bytes, expected at least the 8 bytes of a safetensors header's length"
    ) { try read([]) }
    expectError(
      "header length at byte 0: 100000001 exceeds the limit of the format, expected at most"
        + " 100000000; check that the file is a safetensors file"
    ) { try read(littleEndian(UInt64(100_000_001)) + Array("{}".utf8)) }
    expectError(
      "header length at byte 0: 18446744073709551615 exceeds the limit of the format, expected"
        + " at most 100000000; check that the file is a safetensors file"
    ) { try read([UInt8](repeating: 255, count: 20)) }
    expectError(
      "header length at byte 0: 3 reaches beyond the end of the file, expected at most the 2"
        + " bytes that follow; the file may be truncated; fetch it again"
    ) { try read(littleEndian(UInt64(3)) + Array("{}".utf8)) }
  }

  @Test(arguments: [
    ("", "header at byte 8: does not start with '{'; check that the file is a safetensors file"),
    (
      "[{}]",
      "header at byte 8: does not start with '{'; check that the file is a safetensors file"
    ),
    (
      " {}", "header at byte 8: does not start with '{'; check that the file is a safetensors file"
    ),
    ("{", "header at byte 9: invalid JSON: the document ends, expected a key in quotes"),
    (
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[NaN],\"data_offsets\":[0,0]}}",
      "header at byte 37: invalid JSON: 'N', expected a value"
    ),
    ("{}x", "header at byte 10: invalid JSON: 'x', expected the end of the document"),
    (
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},\"a\":1}",
      "header at byte 61: key 'a' occurs twice in an object"
    ),
    ("{\"__metadata__\":1}", "'__metadata__' at byte 24: is 1, expected an object of strings"),
    (
      "{\"__metadata__\":{\"k\":[]}}",
      "'__metadata__' at byte 29: entry 'k' is an array, expected a string"
    ),
  ])
  func refusesHeaders(_ header: String, _ message: String) {
    expectError(message) { try read(safetensors(header: header, dataCount: 4)) }
  }

  @Test func refusesInvalidUTF8() {
    let header = Array("{\"".utf8) + [0xFF] + Array("\":1}".utf8)
    expectError("header at byte 10: invalid UTF-8") {
      try read(littleEndian(UInt64(header.count)) + header)
    }
  }

  @Test(arguments: [
    ("{\"a\":[]}", "tensor 'a' at byte 13: is described by an array, expected an object"),
    (#"{"a":{"shape":[],"data_offsets":[0,4]}}"#, "tensor 'a' at byte 13: has no dtype"),
    (#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, "tensor 'a' at byte 13: has no shape"),
    (#"{"a":{"dtype":"F32","shape":[1]}}"#, "tensor 'a' at byte 13: has no data_offsets"),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}"#,
      "tensor 'a' at byte 65: unknown field 'x', expected dtype, shape and data_offsets"
    ),
    (
      #"{"a":{"dtype":32,"shape":[1],"data_offsets":[0,4]}}"#,
      "tensor 'a' at byte 22: dtype is 32, expected a string"
    ),
    (
      #"{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}"#,
      "tensor 'a' at byte 22: unknown dtype 'F31', expected one of F64, F32, F16, BF16, F8_E4M3,"
        + " F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8, BOOL"
    ),
    (
      #"{"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}"#,
      "tensor 'a' at byte 36: shape is 1, expected an array of integers"
    ),
    (
      #"{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}"#,
      "tensor 'a' at byte 37: shape has the entry '1', expected integers of 0 to"
        + " 9223372036854775807"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1,-1],"data_offsets":[0,4]}}"#,
      "tensor 'a' at byte 39: shape has the entry -1, expected integers of 0 to"
        + " 9223372036854775807"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#,
      "tensor 'a' at byte 37: shape has the entry 1.0, expected integers of 0 to"
        + " 9223372036854775807"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}"#,
      "tensor 'a' at byte 37: shape has the entry 9223372036854775808, expected integers of 0 to"
        + " 9223372036854775807"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}}"#,
      "tensor 'a' at byte 37: shape has the entry 1e999, expected integers of 0 to"
        + " 9223372036854775807"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#,
      "tensor 'a' at byte 13: F32 [4294967296, 4294967296] takes more bytes than 64 bits count"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":4}}"#,
      "tensor 'a' at byte 55: data_offsets are 4, expected two ascending integers"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#,
      "tensor 'a' at byte 55: data_offsets are [0], expected two ascending integers"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
      "tensor 'a' at byte 55: data_offsets are [4, 0], expected two ascending integers"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#,
      "tensor 'a' at byte 55: data_offsets are [-4, 0], expected two ascending integers"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4.5]}}"#,
      "tensor 'a' at byte 55: data_offsets are [0, 4.5], expected two ascending integers"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
      "tensor 'a' at byte 55: data [0, 8] lie outside the file, expected an end of at most 4"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
      "tensor 'a' at byte 55: data [0, 4] are 4 bytes, expected 8 bytes for F32 [2]"
    ),
    (
      #"{"a":{"dtype":"I8","shape":[3],"data_offsets":[0,3]},"#
        + #""b":{"dtype":"I8","shape":[2],"data_offsets":[2,4]}}"#,
      "tensor 'b' at byte 65: data [2, 4] overlap [0, 3] of tensor 'a'"
    ),
    (
      #"{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"#
        + #""b":{"dtype":"I8","shape":[1],"data_offsets":[3,4]}}"#,
      "tensor 'b' at byte 65: a hole of 2 bytes lies before its data [3, 4], expected data from 1"
    ),
    (
      #"{"a":{"dtype":"I8","shape":[3],"data_offsets":[0,3]}}"#,
      "at byte 64: 1 bytes follow the last tensor, expected the end of the file"
    ),
    ("{}", "at byte 10: 4 bytes follow the last tensor, expected the end of the file"),
  ])
  func refusesDescriptionsThatAreNotTrue(_ header: String, _ message: String) {
    expectError(message) { try read(safetensors(header: header, dataCount: 4)) }
  }

  @Test func namesInErrorsStayOnOneLine() {
    expectError("tensor 'a\\u{a}b\\u{1b}' at byte 23: is described by 1, expected an object") {
      try read(safetensors(header: "{\"a\\nb\\u001b\": 1}", dataCount: 0))
    }
  }
}
