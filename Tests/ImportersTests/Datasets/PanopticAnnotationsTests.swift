import Model
import Testing

@testable import Importers

@Suite struct PanopticAnnotationsTests {
  private let valid = """
    {"images": [{"id": 7, "file_name": "a/7.jpg", "width": 640, "height": 480},
                {"id": 8, "file_name": "8.jpg", "width": 2, "height": 3}],
     "annotations": [{"image_id": 7, "file_name": "7.png", "segments_info": [
       {"id": 66051, "category_id": 40, "bbox": [1, 2.5, 30, 40], "iscrowd": 0, "area": 900},
       {"id": 9, "category_id": 3, "bbox": [0, 0, 640, 480], "iscrowd": 1}]}],
     "categories": [{"id": 40, "name": "cat", "isthing": 1, "supercategory": "animal"},
                    {"id": 3, "name": "sky", "isthing": 0}]}
    """

  private func read(_ text: String) throws(DeclipError) -> PanopticAnnotations {
    try PanopticAnnotations(JSON.parse(ByteView(Array(text.utf8))))
  }

  @Test func readsPicturesSegmentsAndCategories() throws {
    let annotations = try read(valid)
    #expect(annotations.categories.map(\.name) == ["sky", "cat"])
    #expect(annotations.categories.map(\.isThing) == [false, true])
    let picture = try #require(annotations.pictures.first)
    #expect(annotations.pictures.count == 1)
    #expect(picture.file == "a/7.jpg" && picture.mask == "7.png")
    #expect(picture.width == 640 && picture.height == 480)
    #expect(picture.segments.map(\.id) == [66051, 9])
    #expect(picture.segments.map(\.category) == [1, 0])
    #expect(picture.segments.map(\.isCrowd) == [false, true])
    #expect(picture.segments[0].box == [1, 2.5, 30, 40])
  }

  @Test(arguments: [
    (#""id": 66051"#, #""id": 0"#, "key 'id' at byte 231: is 0, expected 1 to 16777215"),
    (#""id": 66051"#, #""id": 16777216"#, nil),
    (#""id": 66051"#, #""id": 9"#, "segment 9 occurs twice"),
    (#""category_id": 40"#, #""category_id": 41"#, "is 41, expected the id of a category"),
    ("[1, 2.5, 30, 40]", "[1, 2.5, 30]", "expected left, top, width and height in pixels"),
    ("[1, 2.5, 30, 40]", "[1, 2.5, -30, 40]", nil), ("[1, 2.5, 30, 40]", "[1, 1e999, 3, 4]", nil),
    ("[1, 2.5, 30, 40]", #"[1, 2.5, 3, "4"]"#, nil), ("[1, 2.5, 30, 40]", "7", nil),
    ("a/7.jpg", "../7.jpg", "expected a file below the folder"), ("a/7.jpg", "/7.jpg", nil),
    ("a/7.jpg", "a//7.jpg", nil), ("7.png", "", "expected a text"),
    (#""image_id": 7"#, #""image_id": 6"#, "belongs to image 6, which is not there"),
    (#""id": 8"#, #""id": 7"#, "image 7 occurs twice"),
    (#""width": 640"#, #""width": 0"#, "is 0, expected pixels"),
    (#""iscrowd": 0"#, #""iscrowd": 2"#, "is 2, expected 0 or 1"),
    (#""name": "sky""#, #""name": "cat""#, "category 'cat' occurs twice"),
    (#""id": 3,"#, #""id": 40,"#, "category 40 occurs twice"),
    (#""segments_info""#, #""segments""#, "is missing, expected an array"),
  ])
  func faultsAreNamed(part: String, replacement: String, expected: String?) throws {
    let text = valid.replacing(part, with: replacement, maxReplacements: 1)
    #expect(text != valid)
    do throws(DeclipError) {
      _ = try read(text)
      Issue.record("\(replacement) was taken")
    } catch {
      #expect(error.kind == .badData)
      #expect(error.description.hasSuffix(expected ?? ""), "\(error)")
    }
  }

  @Test func otherDocumentsAreRefused() {
    for text in [
      "[]", "{}", "7", #"{"images": [], "annotations": [], "categories": []}"#,
      #"{"images": 1, "annotations": [], "categories": []}"#, #"{"categories": [3]}"#,
    ] {
      let annotations = try? read(text)
      #expect(annotations == nil, "\(text)")
    }
  }
}
