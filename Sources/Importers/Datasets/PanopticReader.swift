import Model

/// Takes annotations out of a JSON document, every number checked.
struct PanopticReader {
  private typealias Annotations = PanopticAnnotations

  /// The categories by ascending id.
  func categories(in json: JSON) throws(DeclipError) -> [PanopticAnnotations.Category] {
    var result: [Annotations.Category] = []
    var ids: Set<Int> = []
    var names: Set<ByteString> = []
    for entry in try entries("categories", of: json) {
      let category = Annotations.Category(
        id: try integer("id", of: entry), name: try text("name", of: entry),
        isThing: try flag("isthing", of: entry))
      try requireNew(ids.insert(category.id).inserted, "category \(category.id)", entry)
      try requireNew(
        names.insert(ByteString(category.name)).inserted, "category \(quoted(category.name))",
        entry)
      result.append(category)
    }
    guard !result.isEmpty else {
      throw DeclipError(
        .badData, "has no categories", expected: "annotations in COCO's panoptic format")
    }
    return result.sorted { $0.id < $1.id }
  }

  /// The annotated pictures.
  func pictures(
    in json: JSON, _ categories: [PanopticAnnotations.Category]
  ) throws(DeclipError) -> [PanopticAnnotations.Picture] {
    var places: [Int: Int] = [:]
    for (place, category) in categories.enumerated() { places[category.id] = place }
    var images: [Int: JSON] = [:]
    for entry in try entries("images", of: json) {
      let id = try integer("id", of: entry)
      try requireNew(images.updateValue(entry, forKey: id) == nil, "image \(id)", entry)
    }
    var result: [Annotations.Picture] = []
    var seen: Set<Int> = []
    for entry in try entries("annotations", of: json) {
      let id = try integer("image_id", of: entry)
      guard let image = images[id] else {
        throw DeclipError(
          .badData, "belongs to image \(id), which is not there", place: "annotation",
          offset: entry.offset)
      }
      try requireNew(seen.insert(id).inserted, "an annotation of image \(id)", entry)
      var segments: [Annotations.Segment] = []
      var ids: Set<UInt32> = []
      for info in try entries("segments_info", of: entry) {
        let segment = try segment(info, places)
        try requireNew(ids.insert(segment.id).inserted, "segment \(segment.id)", info)
        segments.append(segment)
      }
      result.append(
        Annotations.Picture(
          file: try fileName(of: image), mask: try fileName(of: entry),
          width: try extent("width", of: image), height: try extent("height", of: image),
          segments: segments))
    }
    return result
  }

  private func segment(
    _ json: JSON, _ places: [Int: Int]
  ) throws(DeclipError) -> PanopticAnnotations.Segment {
    let id = try integer("id", of: json)
    guard 1..<1 << 24 ~= id else { throw unexpected("id", json, "1 to \(1 << 24 - 1)") }
    let category = try integer("category_id", of: json)
    guard let place = places[category] else {
      throw unexpected("category_id", json, "the id of a category")
    }
    let numbers = json.member(["bbox"])?.array?.compactMap(\.double) ?? []
    let box = numbers.map(Float.init)
    guard box.count == 4, json.member(["bbox"])?.array?.count == 4,
      box.allSatisfy({ $0.isFinite && abs($0) <= 0x1p24 }), box[2] >= 0, box[3] >= 0
    else { throw unexpected("bbox", json, "left, top, width and height in pixels") }
    return Annotations.Segment(
      id: UInt32(id), category: place, box: box, isCrowd: try flag("iscrowd", of: json))
  }
}

extension PanopticReader {
  private func entries(_ key: String, of json: JSON) throws(DeclipError) -> [JSON] {
    guard let list = json.member([key])?.array else { throw unexpected(key, json, "an array") }
    return list
  }

  private func integer(_ key: String, of json: JSON) throws(DeclipError) -> Int {
    guard let number = json.member([key])?.integer else {
      throw unexpected(key, json, "an integer")
    }
    return number
  }

  private func extent(_ key: String, of json: JSON) throws(DeclipError) -> Int {
    guard let number = json.member([key])?.integer, 1...1 << 24 ~= number else {
      throw unexpected(key, json, "pixels")
    }
    return number
  }

  private func text(_ key: String, of json: JSON) throws(DeclipError) -> String {
    guard let text = json.member([key])?.string, !text.isEmpty else {
      throw unexpected(key, json, "a text")
    }
    return text
  }

  /// 0 or 1, or a truth value; absent means 0.
  private func flag(_ key: String, of json: JSON) throws(DeclipError) -> Bool {
    guard let value = json.member([key]) else { return false }
    if let flag = value.bool { return flag }
    guard let number = value.integer, 0...1 ~= number else { throw unexpected(key, json, "0 or 1") }
    return number == 1
  }

  /// A path below the folder that files are looked for in.
  private func fileName(of json: JSON) throws(DeclipError) -> String {
    let name = try text("file_name", of: json)
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    guard !name.utf8.contains(0), parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." })
    else { throw unexpected("file_name", json, "a file below the folder") }
    return name
  }

  private func requireNew(
    _ isNew: Bool, _ what: String, _ json: JSON
  ) throws(DeclipError) {
    guard isNew else { throw DeclipError(.badData, "\(what) occurs twice", offset: json.offset) }
  }

  private func unexpected(_ key: String, _ json: JSON, _ expected: String) -> DeclipError {
    let value = json.object?[key]
    return DeclipError(
      .badData, value.map { "is \($0.described)" } ?? "is missing", place: "key '\(key)'",
      offset: value?.offset ?? json.offset, expected: expected)
  }
}
