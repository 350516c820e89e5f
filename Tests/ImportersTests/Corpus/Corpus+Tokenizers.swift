extension Corpus {
  /// A valid checkpoint beside damaged tokenizer and configuration files.
  static func tokenizers() throws -> [Entry] {
    let checkpoint = try origin("onnx/models/clip/model.safetensors")
    let configuration = try origin("onnx/models/clip/open_clip_config.json")
    let pieces = [
      "0", "-1", "9223372036854775807", "[", "]", "{", "}", "\"", "null", ",", ":", "\\u0000",
      "\\ud800", "é", "\u{0}", "a b", "<|endoftext|>", "\n", "#",
    ]
    let json =
      #"{"added_tokens":[{"id":515,"content":"<|startoftext|>"},"#
      + #"{"id":516,"content":"<|endoftext|>"}],"model":{"type":"BPE","merges":["t h"],"#
      + #""end_of_word_suffix":"</w>","vocab":"#
      + (try SmallTokenizer.vocabulary(withSpecialTokens: false)) + "}}"
    let vocabulary = try SmallTokenizer.vocabulary()
    let texts = [
      ("tokenizer.json", json), ("vocab.json", vocabulary),
      ("merges.txt", SmallTokenizer.mergesText),
      ("open_clip_config.json", String(decoding: configuration, as: UTF8.self)),
    ]
    return (0..<400).map { number in
      let (name, text) = texts[number % texts.count]
      return Entry.random("tokenizers \(name) \(number)", "model.safetensors") { random in
        var files: [String: [UInt8]] = [
          "model.safetensors": checkpoint, "open_clip_config.json": configuration,
        ]
        if name == "merges.txt" { files["vocab.json"] = Array(vocabulary.utf8) }
        if name == "vocab.json" { files["merges.txt"] = Array(SmallTokenizer.mergesText.utf8) }
        let original = Array(text.utf8)
        files[name] =
          number % 3 == 0
          ? original.withExtremeNumber(&random) : original.mutated(with: pieces, &random)
        return files
      }
    }
  }
}
