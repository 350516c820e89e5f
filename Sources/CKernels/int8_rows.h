// The quantising kernels on vectors of LANES floats, written once with compiler vectors and
// included by one file per instruction set, which defines LANES, TARGET (a function attribute),
// TABLE (the name of the kernel table) and, optionally, with HAS_NEAREST and HAS_FOUR_VECTORS, its
// own ways to round and to make bytes of four vectors.
//
// A normalised row goes to the scratch, and from there it is quantised.
#include "ckernels_float.h"
#include "int8_tables.h"
#include "vectors.h"

#include "layer_norm.h"
#include "peaks.h"

typedef declip_int8_quantizer quantizer;

// The largest magnitude. Four peaks side by side, as one would wait for itself.
INLINE int32_t peak_of_row(const float *row, size_t columns) {
    enum { PEAKS = 4 };
    integers peaks[PEAKS];
    UNROLL for (size_t i = 0; i < PEAKS; i++) peaks[i] = (integers){0};
    size_t c = 0;
    for (; c + PEAKS * LANES <= columns; c += PEAKS * LANES) {
        UNROLL for (size_t i = 0; i < PEAKS; i++) peaks[i] =
            larger_bits(magnitude_bits(load(row + c + i * LANES)), peaks[i]);
    }
    for (; c + LANES <= columns; c += LANES)
        peaks[0] = larger_bits(magnitude_bits(load(row + c)), peaks[0]);
    for (; c < columns; c++)
        peaks[0] = larger_bits(magnitude_bits(splat(row[c])), peaks[0]);
    return largest_bits(
        larger_bits(larger_bits(peaks[0], peaks[1]), larger_bits(peaks[2], peaks[3])));
}

// What values are multiplied by and clamped to, and what is added.
typedef struct steps {
    float inverse, lowest, highest;
    int32_t zero;
} steps;

INLINE integers quantize_vector(vector v, const steps *steps, const int clamps) {
    v *= steps->inverse;
    if (clamps) {
        v = (vector)((integers)v & (v == v));
        v = choose(v > steps->lowest, v, splat(steps->lowest));
        v = choose(v < steps->highest, v, splat(steps->highest));
    }
    return nearest(v) + steps->zero;
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

#ifndef HAS_FOUR_VECTORS
// Writes the lanes of four vectors as bytes.
INLINE void store_four(const integers v[4], uint8_t *output) {
    UNROLL for (size_t i = 0; i < 4; i++) store_integers(v[i], 0, LANES, output + i * LANES, NULL);
}
#endif

INLINE void quantize_values(const float *input, size_t columns, const steps steps, const int clamps,
                            const int wide, uint8_t *output, uint8_t *low) {
    size_t c = 0;
    for (; c + 4 * LANES <= columns; c += 4 * LANES) {
        integers v[4];
        UNROLL for (size_t i = 0; i < 4; i++) v[i] =
            quantize_vector(load(input + c + i * LANES), &steps, clamps);
        if (!wide) {
            store_four(v, output + c);
            continue;
        }
        integers upper[4], lower[4];
        UNROLL for (size_t i = 0; i < 4; i++) upper[i] = v[i] >> 7, lower[i] = v[i] & 127;
        store_four(upper, output + c);
        store_four(lower, low + c);
    }
    for (; c < columns; c += LANES) {
        const size_t count = columns - c < LANES ? columns - c : LANES;
        float rest[LANES] = {0};
        memcpy(rest, input + c, count * sizeof(float));
        store_integers(quantize_vector(load(rest), &steps, clamps), wide, count, output + c,
                       low + c);
    }
}

// Quantises a row whose largest magnitude is known, which matters with scales per row.
INLINE void quantize_row(const float *input, size_t columns, size_t row, int32_t peak_bits,
                         const quantizer *q) {
    float inverse = q->inverse_scale;
    if (q->row_scale) {
        float peak = peak_of_bits(peak_bits, input, columns), half = (float)(q->range / 2);
        float scale = peak / half;
        q->row_scale[row] = q->low_output ? 128 * scale : scale;
        if (q->low_output)
            q->low_scale[row] = scale;
        inverse = peak > 0 ? half / peak : 0;
    }
    // Read once: the bytes written could be these.
    const int32_t zero = q->zero_point;
    const steps steps = {inverse, (float)-zero, (float)(q->range - zero), zero};
    const size_t start = row * q->output_stride;
    uint8_t *output = q->output + start, *low = q->low_output ? q->low_output + start : output;
    // The largest magnitude of a row ends where the range does, if all are numbers.
    const int clamps = !q->row_scale || peak_bits >= INFINITE || !(inverse < INFINITY);
    if (q->low_output) {
        if (clamps)
            quantize_values(input, columns, steps, 1, 1, output, low);
        else
            quantize_values(input, columns, steps, 0, 1, output, low);
    } else if (clamps) {
        quantize_values(input, columns, steps, 1, 0, output, low);
    } else {
        quantize_values(input, columns, steps, 0, 0, output, low);
    }
}

TARGET static void quantize(const float *input, size_t stride, size_t rows, size_t columns,
                            const quantizer *q) {
    for (size_t r = 0; r < rows; r++) {
        const float *row = input + r * stride;
        quantize_row(row, columns, r, q->row_scale ? peak_of_row(row, columns) : 0, q);
    }
}

// The normalised rows go to the scratch.
INLINE void normalize_rows(const size_t R, const float *input, size_t stride, const float *gain,
                           const float *bias, float epsilon, size_t columns, float *output,
                           int32_t *peak) {
    float mean[NORM_ROWS], scale[NORM_ROWS];
    measure_rows(R, input, stride, epsilon, columns, mean, scale);
    integers peaks[NORM_ROWS];
    UNROLL for (size_t r = 0; r < R; r++) peaks[r] = (integers){0};
    const size_t whole = columns - columns % LANES, rest = columns - whole;
    for (size_t c = 0; c < whole; c += LANES) {
        const vector g = load(gain + c), b = load(bias + c);
        UNROLL for (size_t r = 0; r < R; r++) {
            const vector v = normalized(load(input + r * stride + c), mean[r], scale[r], g, b);
            peaks[r] = larger_bits(magnitude_bits(v), peaks[r]);
            store(output + r * columns + c, v);
        }
    }
    UNROLL for (size_t r = 0; rest && r < R; r++) {
        const vector v =
            normalized(load_part(input + r * stride + whole, rest, mean[r]), mean[r], scale[r],
                       load_part(gain + whole, rest, 0), load_part(bias + whole, rest, 0));
        peaks[r] = larger_bits(magnitude_bits(v), peaks[r]);
        store_part(output + r * columns + whole, v, rest);
    }
    UNROLL for (size_t r = 0; r < R; r++) peak[r] = largest_bits(peaks[r]);
}

// Normalises R rows and quantises them.
INLINE void quantize_normalized(const size_t R, const float *input, size_t stride,
                                const float *gain, const float *bias, float epsilon, size_t columns,
                                size_t row, const quantizer *q) {
    int32_t peak[NORM_ROWS];
    normalize_rows(R, input + row * stride, stride, gain, bias, epsilon, columns, q->scratch, peak);
    UNROLL for (size_t r = 0; r < R; r++)
        quantize_row(q->scratch + r * columns, columns, row + r, peak[r], q);
}

TARGET static void layer_norm_quantize(const float *input, size_t stride, const float *gain,
                                       const float *bias, float epsilon, size_t rows,
                                       size_t columns, const quantizer *q) {
    size_t r = 0;
    for (; r + NORM_ROWS <= rows; r += NORM_ROWS)
        quantize_normalized(NORM_ROWS, input, stride, gain, bias, epsilon, columns, r, q);
    for (; r < rows; r++)
        quantize_normalized(1, input, stride, gain, bias, epsilon, columns, r, q);
}

const declip_int8_rows TABLE = {quantize, layer_norm_quantize};
