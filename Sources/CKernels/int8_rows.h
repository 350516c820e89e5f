// The quantising kernels on vectors of LANES floats, written once with compiler vectors and
// included by one file per instruction set, which defines LANES, TARGET (a function attribute),
// FLOATS (the float kernels of the instruction set) and TABLE (the name of the kernel table).
//
// A row passes twice through the first-level cache: the float kernel writes it to the scratch row,
// and from there it is quantised.
#include "ckernels_float.h"
#include "int8_tables.h"

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

INLINE vector splat(float x) { return x - (vector){0}; }

INLINE vector select(integers mask, vector a, vector b) {
    return (vector)((mask & (integers)a) | (~mask & (integers)b));
}

// The larger magnitude; that of `peak` where v is not a number.
INLINE vector larger_magnitude(vector peak, vector v) {
    v = (vector)((integers)v & INT32_MAX);
    return select(v > peak, v, peak);
}

INLINE float peak_of_row(const float *row, size_t columns) {
    vector peaks = splat(0), others = splat(0);
    size_t c = 0;
    for (; c + 2 * LANES <= columns; c += 2 * LANES) {
        peaks = larger_magnitude(peaks, load(row + c));
        others = larger_magnitude(others, load(row + c + LANES));
    }
    peaks = larger_magnitude(peaks, others);
    for (; c < columns; c++) peaks = larger_magnitude(peaks, splat(row[c]));
    float peak = 0;
    for (size_t i = 0; i < LANES; i++) peak = peaks[i] > peak ? peaks[i] : peak;
    return peak;
}

// Clamps, and only then rounds by adding 1.5 * 2^23, so that no multiply-add is fused into it.
INLINE bytes quantize_vector(vector v, float inverse, float lowest, float highest, int32_t zero) {
    const vector magic = splat(12582912.0f);
    v *= inverse;
    v = (vector)((integers)v & (v == v));
    v = select(v > lowest, v, splat(lowest));
    v = select(v < highest, v, splat(highest));
    integers rounded = (integers)(v + magic) - (integers)magic + zero;
    return __builtin_convertvector(rounded, bytes);
}

INLINE void quantize_row(const float *input, size_t columns, size_t row, const quantizer *q) {
    float inverse = q->inverse_scale;
    if (q->row_scale) {
        float peak = peak_of_row(input, columns), half = (float)(q->range / 2);
        q->row_scale[row] = peak / half;
        inverse = peak > 0 ? half / peak : 0;
    }
    uint8_t *output = q->output + row * q->output_stride;
    float lowest = (float)-q->zero_point, highest = (float)(q->range - q->zero_point);
    size_t c = 0;
    for (; c + LANES <= columns; c += LANES) {
        bytes b = quantize_vector(load(input + c), inverse, lowest, highest, q->zero_point);
        memcpy(output + c, &b, sizeof b);
    }
    if (c < columns) {
        float rest[LANES] = {0};
        memcpy(rest, input + c, (columns - c) * sizeof(float));
        bytes b = quantize_vector(load(rest), inverse, lowest, highest, q->zero_point);
        memcpy(output + c, &b, columns - c);
    }
}

TARGET static void quantize(const float *input, size_t stride, size_t rows, size_t columns,
                            const quantizer *q) {
    for (size_t r = 0; r < rows; r++) quantize_row(input + r * stride, columns, r, q);
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

TARGET static void quick_gelu_quantize(const float *input, size_t stride, size_t rows,
                                       size_t columns, const quantizer *q) {
    for (size_t r = 0; r < rows; r++) {
        memcpy(q->scratch, input + r * stride, columns * sizeof(float));
        FLOATS.quick_gelu(q->scratch, columns, 1, columns);
        quantize_row(q->scratch, columns, r, q);
    }
}

TARGET static void gelu_quantize(const float *input, size_t stride, size_t rows, size_t columns,
                                 const quantizer *q) {
    for (size_t r = 0; r < rows; r++) {
        memcpy(q->scratch, input + r * stride, columns * sizeof(float));
        FLOATS.gelu(q->scratch, columns, 1, columns);
        quantize_row(q->scratch, columns, r, q);
    }
}

TARGET static void silu_multiply_quantize(const float *gate, size_t gate_stride, const float *up,
                                          size_t up_stride, size_t rows, size_t columns,
                                          const quantizer *q) {
    for (size_t r = 0; r < rows; r++) {
        memcpy(q->scratch, gate + r * gate_stride, columns * sizeof(float));
        FLOATS.silu_multiply(q->scratch, columns, up + r * up_stride, up_stride, 1, columns);
        quantize_row(q->scratch, columns, r, q);
    }
}

const declip_int8_rows TABLE = {
    quantize,      layer_norm_quantize,    quick_gelu_quantize,
    gelu_quantize, silu_multiply_quantize,
};
