/// How a camera held the picture it stored (EXIF 2.3, tag 274): what must be done to see it upright.
enum EXIFOrientation: UInt16, CaseIterable {
  case upright = 1
  case mirrored
  case upsideDown
  case flipped
  case transposed
  case turnedLeft
  case transversed
  case turnedRight

  /// The orientation that a JPEG file states; `upright` where it states none that makes sense.
  init(ofJPEG bytes: UnsafeRawBufferPointer) {
    self = EXIFOrientation.exifBlock(of: bytes).flatMap(EXIFOrientation.init(inTIFF:)) ?? .upright
  }

  /// Whether width and height change places.
  var swapsAxes: Bool { rawValue >= 5 }

  /// The TIFF structure inside the first APP1 segment that holds EXIF data.
  private static func exifBlock(of bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    let signature: [UInt8] = [0x45, 0x78, 0x69, 0x66, 0, 0]
    var at = 2
    while at + 4 <= bytes.count, bytes[at] == 0xff {
      let marker = bytes[at + 1]
      if marker == 0xff {
        at += 1
        continue
      }
      // Pictures start at SOS; nothing before it lacks a length but restarts and TEM.
      if marker == 0xda || marker == 0xd9 { return nil }
      if marker == 0x01 || 0xd0...0xd7 ~= marker {
        at += 2
        continue
      }
      let length = Int(bytes[at + 2]) << 8 | Int(bytes[at + 3])
      guard length >= 2, at + 2 + length <= bytes.count else { return nil }
      let payload = bytes[(at + 4)..<(at + 2 + length)]
      if marker == 0xe1, payload.starts(with: signature) {
        return UnsafeRawBufferPointer(rebasing: payload.dropFirst(signature.count))
      }
      at += 2 + length
    }
    return nil
  }

  /// Reads tag 274 of the first directory of a TIFF structure.
  private init?(inTIFF bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 8 else { return nil }
    let isLittle = bytes[0] == 0x49
    func number(_ at: Int, _ width: Int) -> Int? {
      guard at >= 0, at + width <= bytes.count else { return nil }
      var value = 0
      for index in 0..<width {
        value = value << 8 | Int(bytes[at + (isLittle ? width - 1 - index : index)])
      }
      return value
    }
    guard number(2, 2) == 42, let directory = number(4, 4), let count = number(directory, 2)
    else { return nil }
    for entry in 0..<count {
      let at = directory + 2 + 12 * entry
      guard let tag = number(at, 2), let type = number(at + 2, 2) else { return nil }
      if tag == 274, type == 3, let value = number(at + 8, 2) {
        self.init(rawValue: UInt16(value))
        return
      }
    }
    return nil
  }
}

extension Image {
  /// The picture as it is meant to be seen, given how it was stored.
  func upright(from orientation: EXIFOrientation) -> Image {
    if orientation == .upright { return self }
    let (width, height) = orientation.swapsAxes ? (height, width) : (width, height)
    // The source position of a target pixel is linear in it: origin, a step right, a step down.
    let (right, bottom, stride) = (self.width - 1, self.height - 1, self.width)
    let (origin, stepX, stepY) =
      switch orientation {
      case .upright: (0, 1, stride)
      case .mirrored: (right, -1, stride)
      case .upsideDown: (bottom * stride + right, -1, -stride)
      case .flipped: (bottom * stride, 1, -stride)
      case .transposed: (0, stride, 1)
      case .turnedLeft: (bottom * stride, -stride, 1)
      case .transversed: (bottom * stride + right, -stride, -1)
      case .turnedRight: (right, stride, -1)
      }
    let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { target, initialized in
      pixels.withUnsafeBufferPointer { source in
        var to = 0
        for y in 0..<height {
          var from = 3 * (origin + y * stepY)
          for _ in 0..<width {
            target[to] = source[from]
            target[to + 1] = source[from + 1]
            target[to + 2] = source[from + 2]
            to += 3
            from += 3 * stepX
          }
        }
      }
      initialized = pixels.count
    }
    return Image(checkedWidth: width, height: height, pixels: turned)
  }
}
