// The quantising kernels on vectors of LANES floats, written once with compiler vectors and
// included by one file per instruction set, which defines LANES, TARGET (a function attribute),
// FLOATS (the float kernels of the instruction set) and TABLE (the name of the kernel table).
//
// A row passes twice through the first-level cache: the float kernel writes it to the scratch row,
// and from there it is quantised.
#include "ckernels_float.h"
#include "int8_tables.h"
#include "lanes.h"

#include <string.h>

typedef float vector __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t integers __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint8_t bytes __attribute__((vector_size(LANES), aligned(1), may_alias));

#define INLINE static inline __attribute__((always_inline)) TARGET

typedef declip_int8_quantizer quantizer;

INLINE vector load(const float *p) {
    vector v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE vector splat(float x) {
    return x - (vector){0};
}

INLINE vector select(integers mask, vector a, vector b) {
    return (vector)((mask & (integers)a) | (~mask & (integers)b));
}

INLINE vector magnitude(vector v) {
    return (vector)((integers)v & INT32_MAX);
}

// The larger of each pair; b where a is not a number.
INLINE vector larger(vector a, vector b) {
    return select(a > b, a, b);
}

// The largest magnitude. Four peaks side by side, as one would wait for itself.
INLINE float peak_of_row(const float *row, size_t columns) {
    enum { PEAKS = 4 };
    vector peaks[PEAKS];
    for (size_t i = 0; i < PEAKS; i++)
        peaks[i] = splat(0);
    size_t c = 0;
    for (; c + PEAKS * LANES <= columns; c += PEAKS * LANES) {
        for (size_t i = 0; i < PEAKS; i++)
            peaks[i] = larger(magnitude(load(row + c + i * LANES)), peaks[i]);
    }
    for (; c + LANES <= columns; c += LANES)
        peaks[0] = larger(magnitude(load(row + c)), peaks[0]);
    for (; c < columns; c++)
        peaks[0] = larger(magnitude(splat(row[c])), peaks[0]);
    vector peak = larger(larger(peaks[0], peaks[1]), larger(peaks[2], peaks[3]));
    MEET_ALL(larger, peak);
    return peak[0];
}

// Clamps, and only then rounds by adding 1.5 * 2^23, so that no multiply-add is fused into it.
INLINE integers quantize_vector(vector v, float inverse, float lowest, float highest,
                                int32_t zero) {
    const vector magic = splat(12582912.0f);
    v *= inverse;
    v = (vector)((integers)v & (v == v));
    v = select(v > lowest, v, splat(lowest));
    v = select(v < highest, v, splat(highest));
    return (integers)(v + magic) - (integers)magic + zero;
}

// Writes `count` integers, at most LANES: as bytes, or their upper and their lower bits apart.
INLINE void store_integers(integers v, const int wide, size_t count, uint8_t *output,
                           uint8_t *low) {
    bytes b = __builtin_convertvector(wide ? v >> 7 : v, bytes);
    memcpy(output, &b, count);
    if (wide) {
        b = __builtin_convertvector(v & 127, bytes);
        memcpy(low, &b, count);
    }
}

INLINE void quantize_values(const float *input, size_t columns, float inverse, int32_t range,
                            int32_t zero, const int wide, uint8_t *output, uint8_t *low) {
    const float lowest = (float)-zero, highest = (float)(range - zero);
    size_t c = 0;
    for (; c + LANES <= columns; c += LANES)
        store_integers(quantize_vector(load(input + c), inverse, lowest, highest, zero), wide,
                       LANES, output + c, low + c);
    if (c < columns) {
        float rest[LANES] = {0};
        memcpy(rest, input + c, (columns - c) * sizeof(float));
        store_integers(quantize_vector(load(rest), inverse, lowest, highest, zero), wide,
                       columns - c, output + c, low + c);
    }
}

INLINE void quantize_row(const float *input, size_t columns, size_t row, const quantizer *q) {
    float inverse = q->inverse_scale;
    if (q->row_scale) {
        float peak = peak_of_row(input, columns), half = (float)(q->range / 2);
        float scale = peak / half;
        q->row_scale[row] = q->low_output ? 128 * scale : scale;
        if (q->low_output)
            q->low_scale[row] = scale;
        inverse = peak > 0 ? half / peak : 0;
    }
    // Read once: the bytes written could be these.
    const int32_t range = q->range, zero = q->zero_point;
    const size_t start = row * q->output_stride;
    uint8_t *output = q->output + start;
    if (q->low_output) {
        quantize_values(input, columns, inverse, range, zero, 1, output, q->low_output + start);
    } else {
        quantize_values(input, columns, inverse, range, zero, 0, output, output);
    }
}

TARGET static void quantize(const float *input, size_t stride, size_t rows, size_t columns,
                            const quantizer *q) {
    for (size_t r = 0; r < rows; r++)
        quantize_row(input + r * stride, columns, r, q);
}

TARGET static void layer_norm_quantize(const float *input, size_t stride, const float *gain,
                                       const float *bias, float epsilon, size_t rows,
                                       size_t columns, const quantizer *q) {
    for (size_t r = 0; r < rows; r++) {
        FLOATS.layer_norm(input + r * stride, stride, gain, bias, epsilon, q->scratch, columns, 1,
                          columns);
        quantize_row(q->scratch, columns, r, q);
    }
}

const declip_int8_rows TABLE = {quantize, layer_norm_quantize};
