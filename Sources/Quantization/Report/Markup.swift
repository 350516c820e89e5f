import Foundation

/// Parts of an HTML page; text that comes from files is escaped on its way in.
enum Markup {
  /// Text for element content and for attributes in double quotes.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      // Control characters are not allowed in HTML, not even as references.
      case "\u{0}"..."\u{1f}", "\u{7f}"..."\u{9f}": result += " "
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// A table of cells that are markup already; the first row of `columns` is its head. Columns
  /// whose title begins with `>` hold numbers and are flush right.
  static func table(_ columns: [String], _ rows: [[String]], classes: [String?] = []) -> String {
    func cell(_ tag: String, _ content: String, _ column: Int) -> String {
      let isNumber = column < columns.count && columns[column].hasPrefix(">")
      return "<\(tag)\(isNumber ? " class=\"n\"" : "")>\(content)</\(tag)>"
    }
    let head = columns.enumerated().map {
      cell("th", escaped($1.hasPrefix(">") ? String($1.dropFirst()) : $1), $0)
    }
    let body = rows.enumerated().map { index, row in
      let name = index < classes.count ? classes[index] : nil
      return "<tr\(name.map { " class=\"\($0)\"" } ?? "")>"
        + row.enumerated().map { cell("td", $1, $0) }.joined() + "</tr>\n"
    }
    return "<table>\n<tr>\(head.joined())</tr>\n\(body.joined())</table>\n"
  }

  /// A picture within the page.
  static func image(png: [UInt8], title: String) -> String {
    "<img alt=\"\(escaped(title))\" title=\"\(escaped(title))\" "
      + "src=\"data:image/png;base64,\(Data(png).base64EncodedString())\">"
  }

  /// A number with a fixed count of digits behind the point; a dash where there is none.
  static func fixed(_ value: Double?, _ digits: Int) -> String {
    guard let value, value.isFinite else { return "&ndash;" }
    return String(format: "%.\(digits)f", value)
  }

  /// A number with three significant digits, short.
  static func short(_ value: Double) -> String { String(format: "%.3g", value) }

  /// A share in per cent: two digits behind the point, more where that would be nothing.
  static func percent(_ share: Double?) -> String {
    guard let share, share.isFinite else { return "&ndash;" }
    let value = 100 * share
    if value != 0, abs(value) < 0.01 { return String(format: "%.1g", value) + "&nbsp;%" }
    return String(format: "%.2f", value) + "&nbsp;%"
  }
}
