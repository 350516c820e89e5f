import CKernels
import Model

/// The working memory of attention, once for each thread.
struct AttentionScratch: @unchecked Sendable {
  // Sendable: every thread has its own part.
  let base: UnsafeMutableRawPointer
  let layout: Layout

  /// Where a thread's arrays lie, in bytes from the start of its part.
  struct Layout {
    /// The head's size rounded up to what kernels take.
    let headSize: Int
    let row: Int
    let padded: Int
    let queries: Int
    let queryScales: Int
    let keys: Int
    let keyScales: Int
    let packedKeys: Int
    let packedValues: Int
    let output: Int
    let kernel: Int
    let clock: Int
    let byteCount: Int

    init(plan: Plan, attentions: [Int8Attention], kernels: Kernels) {
      let (tokens, size) = (plan.rows, (plan.transformer.headSize + 15) / 16 * 16)
      let scoreSize = size * (attentions.map(\.mostSources).max() ?? 1)
      headSize = size
      var end = 0
      func place(_ bytes: Int) -> Int {
        defer { end += aligned(bytes) }
        return end
      }
      row = place(8 * max(plan.transformer.width, plan.transformer.hiddenSize))
      padded = place(4 * tokens * scoreSize)
      queries = place(2 * tokens * scoreSize)
      queryScales = place(4 * tokens)
      keys = place(2 * tokens * scoreSize)
      keyScales = place(4 * tokens)
      packedKeys = place(
        kernels.attention.keys_size(tokens, scoreSize, Int32(DECLIP_INT8_SCORES_WIDE)))
      packedValues = place(
        kernels.attention.values_size(tokens, size, Int32(DECLIP_INT8_VALUES_WIDE)))
      output = place(4 * tokens * size)
      kernel = place(kernels.attention.scratch_size(tokens))
      clock = place(MemoryLayout<AttentionClock>.size)
      byteCount = end
    }
  }

  func pointer<Element>(_ worker: Int, _ offset: Int, as type: Element.Type)
    -> UnsafeMutablePointer<Element>
  {
    (base + worker * layout.byteCount + offset).assumingMemoryBound(to: type)
  }

  func clock(_ worker: Int) -> UnsafeMutablePointer<AttentionClock> {
    pointer(worker, layout.clock, as: AttentionClock.self)
  }

  func ticks(_ worker: Int) -> UnsafeMutablePointer<declip_int8_ticks>? {
    UnsafeMutableRawPointer(clock(worker)).advanced(
      by: MemoryLayout<AttentionClock>.offset(of: \.ticks) ?? 0
    ).assumingMemoryBound(to: declip_int8_ticks.self)
  }

  /// Erases all of a thread's part but its clock, for `MemoryChecks`.
  func erase(_ worker: Int) {
    MemoryChecks.erase(base + worker * layout.byteCount, count: layout.clock)
  }

  /// Two rows of floats.
  func row(_ worker: Int) -> UnsafeMutablePointer<Float> {
    pointer(worker, layout.row, as: Float.self)
  }
}

/// What one thread's attention took.
struct AttentionClock {
  /// Nanoseconds that heads' rows took to be quantised, packed and copied out.
  var packing: UInt64 = 0
  /// Nanoseconds of the kernel.
  var kernel: UInt64 = 0
  /// How the kernel's time divides; zero where it does not say.
  var ticks = declip_int8_ticks()
}

extension Int8Engine {
  /// Runs the plan `runs` times and returns where attention's time went; nil where the kernels do not
  /// say.
  ///
  /// Counting adds about a hundredth to it. Throws what `run(pixels:)` throws.
  public func timeAttention(
    pixels: UnsafeBufferPointer<Float>, runs: Int
  ) throws(DeclipError) -> AttentionTimes? {
    let clocks = (0..<pool.threads).map { scratch.clock($0) }
    for clock in clocks { clock.pointee = AttentionClock() }
    countsTicks = true
    defer { countsTicks = false }
    for _ in 0..<runs { try run(pixels: pixels) }
    func sum(_ part: (AttentionClock) -> UInt64) -> Double {
      clocks.reduce(0) { $0 + Double(part($1.pointee)) }
    }
    let ticks = sum { $0.ticks.scores + $0.ticks.softmax + $0.ticks.values }
    guard ticks > 0 else { return nil }
    let nanoseconds = sum(\.kernel) / ticks / Double(pool.threads)
    return AttentionTimes(
      packing: sum(\.packing) / Double(pool.threads),
      scores: sum(\.ticks.scores) * nanoseconds, softmax: sum(\.ticks.softmax) * nanoseconds,
      values: sum(\.ticks.values) * nanoseconds)
  }

  /// The attention of one head, for all rows that the step wants.
  func attend(_ attention: Int8Attention, head: Int, worker: Int) {
    let layout = scratch.layout
    let rows = float.range(attention.rows)
    guard !rows.isEmpty else { return }
    if checks != nil { scratch.erase(worker) }
    let clock = scratch.clock(worker)
    var start = clock_gettime_nsec()
    let valueLimit = attention.precision.valueLimit
    pack(attention.value, head, valueLimit, worker)
    for (index, product) in attention.products.enumerated() {
      let size = product.operands.count * layout.headSize
      let keyLimit = min(attention.precision.scoreLimit, Self.exactLimit(channels: size))
      let (queries, keys) = words(attention, product.operands, head, keyLimit, worker)
      kernels.attention.pack_keys(
        keys.words, keys.stride, keys.scales, plan.rows, size, keyLimit,
        scratch.pointer(worker, layout.packedKeys, as: UInt8.self))
      var packed = declip_int8_head(
        tokens: plan.rows, score_size: size, head_size: layout.headSize, key_limit: keyLimit,
        value_limit: valueLimit, softmax_scale: product.scale,
        keys: scratch.pointer(worker, layout.packedKeys, as: UInt8.self),
        values: scratch.pointer(worker, layout.packedValues, as: UInt8.self),
        ticks: countsTicks ? scratch.ticks(worker) : nil)
      // The first product's floats go where they belong, unless the kernel wants more channels.
      let isDirect = index == 0 && layout.headSize == plan.transformer.headSize
      let output =
        isDirect
        ? attention.target.row(rows.lowerBound) + head * layout.headSize
        : scratch.pointer(worker, layout.output, as: Float.self)
      var now = clock_gettime_nsec()
      clock.pointee.packing += now - start
      start = now
      kernels.attention.attend(
        &packed, queries.words + rows.lowerBound * queries.stride, queries.stride,
        queries.scales + rows.lowerBound, rows.count, output,
        isDirect ? attention.target.stride : layout.headSize,
        scratch.pointer(worker, layout.kernel, as: UInt8.self))
      now = clock_gettime_nsec()
      clock.pointee.kernel += now - start
      start = now
      if !isDirect { store(output, rows, attention.target, head, adds: index > 0) }
    }
    clock.pointee.packing += clock_gettime_nsec() - start
  }

  /// One head's queries or keys: words, `stride` from a token's to the next, and a scale for each.
  private typealias HeadRows = (
    words: UnsafePointer<Int16>, stride: Int, scales: UnsafePointer<Float>
  )

  /// What a head's scores are made of, quantised now unless it was behind the projections.
  private func words(
    _ attention: Int8Attention, _ operands: Int8Attention.Operands, _ head: Int, _ limit: Int32,
    _ worker: Int
  ) -> (queries: HeadRows, keys: HeadRows) {
    switch operands {
    case .words(let queries, let keys):
      func rows(_ rows: ScoreRows) -> HeadRows {
        (
          UnsafePointer(rows.row(0, head: head)), rows.width,
          UnsafePointer(rows.scale(0, head: head))
        )
      }
      return (rows(queries), rows(keys))
    case .floats(let left, let right):
      let (layout, size) = (scratch.layout, operands.count * scratch.layout.headSize)
      func rows(_ source: [FloatMatrix], _ words: Int, _ scales: Int) -> HeadRows {
        let words = scratch.pointer(worker, words, as: Int16.self)
        let scales = scratch.pointer(worker, scales, as: Float.self)
        quantize(source, head, attention.rotates, limit, words, scales, worker)
        return (UnsafePointer(words), size, UnsafePointer(scales))
      }
      let keys = rows(right, layout.keys, layout.keyScales)
      return (attention.isDecoupled ? keys : rows(left, layout.queries, layout.queryScales), keys)
    }
  }

  /// The largest magnitude of words whose products over `channels` channels add up in 32 bits.
  static func exactLimit(channels: Int) -> Int32 {
    Int32((Double(Int32.max) / Double(channels)).squareRoot().rounded(.down))
  }

  private func store(
    _ output: UnsafePointer<Float>, _ rows: Range<Int>, _ target: FloatMatrix, _ head: Int,
    adds: Bool
  ) {
    let size = plan.transformer.headSize
    for (index, token) in rows.enumerated() {
      let source = output + index * scratch.layout.headSize
      let row = target.row(token) + head * size
      if adds {
        for column in 0..<size { row[column] += source[column] }
      } else {
        row.update(from: source, count: size)
      }
    }
  }

  /// A head's rows of one or more matrices side by side, each filled up with zeros where kernels
  /// want more channels; as they stand where nothing is to be joined or filled up.
  private func rows(
    _ matrices: [FloatMatrix], _ head: Int, _ worker: Int
  ) -> (base: UnsafePointer<Float>, stride: Int) {
    let (size, padded) = (plan.transformer.headSize, scratch.layout.headSize)
    if padded == size, matrices.count == 1 {
      return (UnsafePointer(matrices[0].row(0) + head * size), matrices[0].stride)
    }
    let stride = matrices.count * padded
    let copy = scratch.pointer(worker, scratch.layout.padded, as: Float.self)
    for token in 0..<plan.rows {
      var row = copy + token * stride
      for matrix in matrices {
        row.update(from: matrix.row(token) + head * size, count: size)
        (row + size).update(repeating: 0, count: padded - size)
        row += padded
      }
    }
    return (UnsafePointer(copy), stride)
  }

  private func quantize(
    _ matrices: [FloatMatrix], _ head: Int, _ rotates: Bool, _ limit: Int32,
    _ output: UnsafeMutablePointer<Int16>, _ scales: UnsafeMutablePointer<Float>, _ worker: Int
  ) {
    let padded = matrices.count * scratch.layout.headSize
    let (base, stride) = rows(matrices, head, worker)
    let isCopied = padded != plan.transformer.headSize
    if rotates && isCopied { rotateCopy(worker) }
    rotateQuantize(
      0..<plan.rows, of: base, stride: stride, size: padded, rotates: rotates && !isCopied, limit,
      to: output, stride: padded, scales)
  }

  /// Makes words of one head's rows of tokens, all pointers being to the first of them.
  func rotateQuantize(
    _ tokens: Range<Int>, of input: UnsafePointer<Float>, stride: Int, size: Int, rotates: Bool,
    _ limit: Int32, to output: UnsafeMutablePointer<Int16>, stride outputStride: Int,
    _ scales: UnsafeMutablePointer<Float>
  ) {
    // The class token has no place on the grid.
    let still = rotates ? min(tokens.count, tokens.lowerBound == 0 ? 1 : 0) : tokens.count
    if still > 0 {
      kernels.attention.rotate_quantize(
        input, stride, nil, nil, nil, still, size, limit, output, outputStride, scales)
    }
    guard still < tokens.count else { return }
    let angles = (tokens.lowerBound + still - 1) * size / 2
    float.rotary.cosine.withUnsafeBufferPointer { cosine in
      float.rotary.sine.withUnsafeBufferPointer { sine in
        guard let cosine = cosine.baseAddress, let sine = sine.baseAddress else { return }
        kernels.attention.rotate_quantize(
          input + still * stride, stride, cosine + angles, sine + angles, nil,
          tokens.count - still, size, limit, output + still * outputStride, outputStride,
          scales + still)
      }
    }
  }

  /// Rotates rows that were copied because kernels want more channels than the head has.
  private func rotateCopy(_ worker: Int) {
    let copy = scratch.pointer(worker, scratch.layout.padded, as: Float.self)
    float.rotary.cosine.withUnsafeBufferPointer { cosine in
      float.rotary.sine.withUnsafeBufferPointer { sine in
        guard let cosine = cosine.baseAddress, let sine = sine.baseAddress else { return }
        kernels.floats.rotate(
          copy + scratch.layout.headSize, scratch.layout.headSize, cosine, sine, plan.rows - 1, 1,
          plan.transformer.headSize)
      }
    }
  }

  private func pack(_ value: FloatMatrix, _ head: Int, _ limit: Int32, _ worker: Int) {
    let (base, stride) = rows([value], head, worker)
    kernels.attention.pack_values(
      base, stride, plan.rows, scratch.layout.headSize, limit,
      scratch.pointer(worker, scratch.layout.packedValues, as: UInt8.self))
  }
}
