/// A sans-serif face of pen strokes for printable ASCII, drawn for this project.
///
/// Strokes have no size of their own, so that text is sharp on small and large pictures alike.
/// A glyph is written as strokes with spaces between them. The first character of a stroke says
/// what it is, pairs of characters after it are points `xy` on a grid, `0`...`9`, `a`...`z` being
/// 0 to 35 from the left and from the top:
///
/// * `-` straight lines from point to point;
/// * `~` a quadratic B-spline from the first point to the last, drawn towards those between;
/// * `@` a closed quadratic B-spline;
/// * `.` a dot.
///
/// Capitals and figures stand on y = 16 and reach up to 2, small letters to 6, descenders down
/// to 20.
enum StrokeFont {
  /// The vertical extents of the face, in grid units.
  static let top: Float = 2
  static let baseline: Float = 16
  static let bottom: Float = 20
  /// The space between two glyphs' outermost points.
  static let spacing: Float = 4
  /// The advance of a space.
  static let spaceWidth: Float = 7

  /// A glyph as flattened lines.
  struct Glyph: Sendable {
    /// A line between two points; both the same for a dot.
    struct Line: Sendable {
      var from: SIMD2<Float>
      var to: SIMD2<Float>
      /// The pen's width over the usual.
      var weight: Float
    }

    /// The x of the outermost points.
    let width: Float
    let lines: [Line]
  }

  /// The glyph of a printable ASCII character; an outlined box for any other.
  static func glyph(for scalar: Unicode.Scalar) -> Glyph {
    let index = Int(scalar.value) - 0x21
    return glyphs.indices.contains(index) ? glyphs[index] : box
  }

  private static let box = Glyph(strokes: "-02828g0g02")

  /// The glyphs from `!` to `~`, read from `shapes` when the first text is drawn.
  private static let glyphs: [Glyph] = shapes.split(separator: "\n").map {
    Glyph(strokes: $0.dropFirst(2))
  }

  /// One line a character: the character, a space, and its strokes.
  private static let shapes = #"""
    ! -020b .0g
    " -0206 -4246
    # -331f -836f -1797 -0b8b
    $ ~96930309999f0f0c -515h
    % @02525808 @7adadg7g -b22g
    & ~ag28127278090g7gaa
    ' -0206
    ( ~31050d3h
    ) ~01353d0h
    * -3139 -0367 -6307
    + -464e -0a8a
    , -1f0i
    - -0a6a
    . .0g
    / -710h
    0 @02828g0g
    1 -25525g -2g8g
    2 ~060282890g -0g8g
    3 ~0502828939 ~39898g0g0d
    4 -6g620c8c
    5 -721208 ~0827878g0g0d
    6 @07878g0g ~7472020c
    7 -02823g
    8 @12727919 @09898g0g
    9 @02828b0b ~868g1g1e
    : .07 .0g
    ; .17 -1f0i
    < -760b7g
    = -0888 -0d8d
    > -067b0g
    ? ~05028288484c .4g
    @ ~bh7j0j03e3ed9d97 @47979d4d
    A -0g52ag -2b8b
    B -020g ~024282894909 ~0959999g5g0g
    C ~a6a2020gagac
    D -020g ~0242a2ag4g0g
    E -82020g8g -0979
    F -82020g -0979
    G ~a6a2020gagaa -6aaa
    H -020g -a2ag -09a9
    I -020g
    J ~626b6g0g0d
    K -020g -920a -389g
    L -020g8g
    M -0g026cc2cg
    N -0g02aga2
    O @02b2bg0g
    P -020g ~0252929a5a0a
    Q @02b2bg0g -7cbh
    R -020g ~0252929a5a0a -5a9g
    S ~96920209999g0g0c
    T -02a2 -525g
    U ~020b0gagaba2
    V -025ga2
    W -024g74age2
    X -029g -920g
    Y -0259 -a259 -595g
    Z -02920g9g
    [ -31010h3h
    \ -017h
    ] -01313h0h
    ^ -073267
    _ -0i9i
    ` -0235
    a ~1816868a8g ~8a0a0g8g8c
    b -020g @06868g0g
    c ~8886060g8g8e
    d -828g @06868g0g
    e -0b8b ~8b86060g8g8e
    f ~7222262g -0666
    g @06868g0g ~868f8k0k0i
    h -020g ~0a06868a8g
    i -060g .02
    j ~363g3k0k .32
    k -020g -760c -398g
    l ~020c0g3g
    m -060g ~0a06666a6g ~6a66c6cacg
    n -060g ~0a06868a8g
    o @06868g0g
    p -060k @06868g0g
    q -868k @06868g0g
    r -060g ~0a0666
    s ~7876060b7b7g0g0e
    t ~222b2g6g -0666
    u -868g ~060c0g8g8c
    v -064g86
    w -063g679gc6
    x -068g -860g
    y -064g -862k
    z -06860g8g
    { ~41212909 ~09292h4h
    | -010i
    } ~01212949 ~49292h0h
    ~ ~0b187c89
    """#
}

extension StrokeFont.Glyph {
  /// Reads strokes; what is no point is left out.
  fileprivate init(strokes: Substring) {
    var lines: [Line] = []
    var width: Float = 0
    for stroke in strokes.split(separator: " ") {
      let digits = stroke.dropFirst().compactMap {
        $0.hexDigitValue ?? StrokeFont.beyondHexadecimal($0)
      }
      let points = stride(from: 0, to: digits.count - 1, by: 2).map {
        SIMD2(Float(digits[$0]), Float(digits[$0 + 1]))
      }
      width = points.reduce(width) { max($0, $1.x) }
      switch stroke.first {
      case "-": lines += Self.connected(points)
      case "~": lines += Self.connected(StrokeFont.spline(points))
      case "@": lines += Self.connected(StrokeFont.closedSpline(points))
      default: lines += points.map { Line(from: $0, to: $0, weight: 1.35) }
      }
    }
    self.width = width
    self.lines = lines
  }

  private static func connected(_ points: [SIMD2<Float>]) -> [Line] {
    zip(points, points.dropFirst()).map { Line(from: $0, to: $1, weight: 1) }
  }
}

extension StrokeFont {
  /// The digits `g` to `z` of base 36.
  fileprivate static func beyondHexadecimal(_ character: Character) -> Int? {
    character.asciiValue.flatMap { 0x67...0x7a ~= $0 ? Int($0) - 0x57 : nil }
  }

  /// An open quadratic B-spline through its first and its last control point, as points.
  fileprivate static func spline(_ controls: [SIMD2<Float>]) -> [SIMD2<Float>] {
    guard controls.count > 2, let first = controls.first else { return controls }
    var points = [first]
    for index in 1..<(controls.count - 1) {
      let isLast = index == controls.count - 2
      let end = isLast ? controls[index + 1] : (controls[index] + controls[index + 1]) / 2
      points += arc(from: points[points.count - 1], towards: controls[index], to: end)
    }
    return points
  }

  /// A closed quadratic B-spline, as points of which the last is the first.
  fileprivate static func closedSpline(_ controls: [SIMD2<Float>]) -> [SIMD2<Float>] {
    guard let first = controls.first, let last = controls.last else { return [] }
    var points = [(last + first) / 2]
    for (index, control) in controls.enumerated() {
      let next = controls[(index + 1) % controls.count]
      points += arc(from: points[points.count - 1], towards: control, to: (control + next) / 2)
    }
    return points
  }

  /// A quadratic Bézier curve without its first point.
  private static func arc(
    from start: SIMD2<Float>, towards control: SIMD2<Float>, to end: SIMD2<Float>
  ) -> [SIMD2<Float>] {
    let steps = 6
    return (1...steps).map { step in
      let t = Float(step) / Float(steps)
      let first: SIMD2<Float> = start * ((1 - t) * (1 - t))
      let second: SIMD2<Float> = control * (2 * t * (1 - t))
      return first + second + end * (t * t)
    }
  }
}
