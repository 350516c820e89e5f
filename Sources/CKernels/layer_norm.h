// LayerNorm of some rows side by side, as each would wait for its sums. For vectors.h.
#ifndef LAYER_NORM_H
#define LAYER_NORM_H

// Rows whose sums fit registers together: SUMS to a row.
enum { NORM_ROWS = LANES > 4 ? 2 : 1 };

// The sums of R rows, or of the squares of their distances from `mean`, in 32 lanes each.
INLINE void sum_rows(const size_t R, const float *input, size_t stride, size_t columns,
                     const float *mean, const int squared, float *result) {
    vector sums[NORM_ROWS][SUMS];
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t i = 0; i < SUMS; i++) sums[r][i] = splat(0);
    }
    size_t c = 0;
    for (; c + SUM_LANES <= columns; c += SUM_LANES) {
        UNROLL for (size_t r = 0; r < R; r++) {
            UNROLL for (size_t i = 0; i < SUMS; i++) {
                const vector v = load(input + r * stride + c + i * LANES) - mean[r];
                sums[r][i] += squared ? v * v : v;
            }
        }
    }
    UNROLL for (size_t i = 0; i < SUMS; i++, c += LANES) {
        if (c >= columns)
            break;
        const size_t count = columns - c < LANES ? columns - c : LANES;
        UNROLL for (size_t r = 0; r < R; r++) {
            const vector v = load_part(input + r * stride + c, count, mean[r]) - mean[r];
            sums[r][i] += squared ? v * v : v;
        }
    }
    UNROLL for (size_t r = 0; r < R; r++) result[r] = sum_of_sums(sums[r]);
}

// What a row is moved and multiplied by before gain and bias.
INLINE void measure_rows(const size_t R, const float *input, size_t stride, float epsilon,
                         size_t columns, float *mean, float *scale) {
    UNROLL for (size_t r = 0; r < R; r++) mean[r] = 0;
    sum_rows(R, input, stride, columns, mean, 0, mean);
    UNROLL for (size_t r = 0; r < R; r++) mean[r] /= (float)columns;
    sum_rows(R, input, stride, columns, mean, 1, scale);
    UNROLL for (size_t r = 0; r < R; r++) {
        const float variance = scale[r] / (float)columns;
        scale[r] = 1 / sqrtf(variance + epsilon);
    }
}

INLINE vector normalized(vector v, float mean, float scale, vector gain, vector bias) {
    return (v - mean) * scale * gain + bias;
}

#endif
