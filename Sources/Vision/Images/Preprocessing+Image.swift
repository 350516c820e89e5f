import Model

/// What a vision tower takes in: normalised colour planes.
public struct VisionInput: Sendable {
  /// Columns.
  public let width: Int
  /// Rows.
  public let height: Int
  /// `[3, height, width]`, row-major: `(sample / 255 - mean) / deviation`.
  public let values: [Float]
}

extension Preprocessing {
  /// The input for dense features: the picture resized into `geometry`, padded with black at the
  /// right and the bottom, and then normalised.
  ///
  /// The picture must have the extents that the geometry was made for; it is resized in any case.
  public func dense(
    _ image: Image, _ geometry: InputGeometry, threads: Int = 0
  ) -> VisionInput {
    let content = image.resized(
      width: geometry.contentWidth, height: geometry.contentHeight, threads: threads)
    return normalized(content, left: 0, top: 0, width: geometry.width, height: geometry.height)
  }

  /// The input for one embedding of a whole picture: the shorter side resized to `size`, the
  /// longer to the floor of its proportion, and the centre cropped, as torchvision does.
  public func classification(_ image: Image, size: Int, threads: Int = 0) -> VisionInput {
    let shorter = min(image.width, image.height)
    func extent(_ side: Int) -> Int {
      side == shorter ? size : Int(Double(size * side) / Double(shorter))
    }
    let resized = image.resized(
      width: extent(image.width), height: extent(image.height), threads: threads)
    func margin(_ side: Int) -> Int {
      Int((Double(side - size) / 2).rounded(.toNearestOrEven))
    }
    return normalized(
      resized, left: margin(resized.width), top: margin(resized.height), width: size,
      height: size)
  }

  /// The input for one window over a picture that was resized already: `size` by `size` pixels from
  /// (`left`, `top`) on, black where it reaches beyond the picture.
  ///
  /// - Precondition: the corner lies in the picture.
  public func window(of image: Image, left: Int, top: Int, size: Int) -> VisionInput {
    normalized(image, left: left, top: top, width: size, height: size)
  }

  /// The input for one embedding of all of a picture: the longer side resized to `size`, in the
  /// middle of a black square. Regions cut out of pictures are embedded so, as in the released
  /// evaluation: their ends are not cut off.
  public func letterboxed(_ image: Image, size: Int, threads: Int = 0) -> VisionInput {
    let scale = Double(size) / Double(max(image.width, image.height))
    func extent(_ side: Int) -> Int {
      max(1, min(size, Int((Double(side) * scale).rounded(.toNearestOrEven))))
    }
    let content = image.resized(
      width: extent(image.width), height: extent(image.height), threads: threads)
    var square = Image(width: size, height: size, filledWith: Colour(0, 0, 0))
    let (left, top) = ((size - content.width) / 2, (size - content.height) / 2)
    let row = 3 * content.width
    for y in 0..<content.height {
      let start = 3 * ((top + y) * size + left)
      square.pixels.replaceSubrange(
        start..<start + row, with: content.pixels[y * row..<(y + 1) * row])
    }
    return normalized(square, left: 0, top: 0, width: size, height: size)
  }

  /// The window of `image` at (`left`, `top`), black where it reaches beyond the picture.
  private func normalized(
    _ image: Image, left: Int, top: Int, width: Int, height: Int
  ) -> VisionInput {
    let columns = min(width, image.width - left)
    let rows = min(height, image.height - top)
    let values = [Float](unsafeUninitializedCapacity: 3 * width * height) { target, initialized in
      for channel in 0..<3 {
        let table = normalizedSamples(of: channel)
        let plane = target.extracting((channel * width * height)..<((channel + 1) * width * height))
        plane.initialize(repeating: table[0])
        for y in 0..<rows {
          var from = 3 * ((y + top) * image.width + left) + channel
          for x in 0..<columns {
            plane[y * width + x] = table[Int(image.pixels[from])]
            from += 3
          }
        }
      }
      initialized = 3 * width * height
    }
    return VisionInput(width: width, height: height, values: values)
  }

  /// Every 8-bit sample normalised, with the roundings of torchvision's `ToTensor`, `Normalize`.
  private func normalizedSamples(of channel: Int) -> [Float] {
    let mean = channel < mean.count ? mean[channel] : 0
    let deviation = channel < deviation.count ? deviation[channel] : 1
    return (0..<256).map { (Float($0) / 255 - mean) / deviation }
  }
}
