// What the products on 256-bit registers share: tiles of one panel, two registers of sums to a row.
// The file that includes this defines TARGET and, after it, `tile_part`.
#define TILE_PANELS 1
#include "int8_gemm.h"
#include "int8_tables.h"

#include <immintrin.h>

INLINE void prefetch_output(const size_t R, const tile_output *out) {
    const char *place = out->sums ? (const char *)out->sums : (const char *)out->floats;
    UNROLL for (size_t r = 0; r < R; r++) __builtin_prefetch(place + 4 * r * out->stride, 1);
}

INLINE void finish(const size_t R, __m256i sums[TILE_ROWS][2], const tile_output *out) {
    if (out->sums) {
        UNROLL for (size_t r = 0; r < R; r++) {
            int32_t *place = out->sums + r * out->stride;
            _mm256_storeu_si256((__m256i *)place, sums[r][0]);
            _mm256_storeu_si256((__m256i *)(place + 8), sums[r][1]);
        }
        return;
    }
    UNROLL for (size_t h = 0; h < 2; h++) {
        __m256i shift =
            _mm256_mullo_epi32(_mm256_loadu_si256((const __m256i *)(out->column_sum + 8 * h)),
                               _mm256_set1_epi32(out->zero_point));
        __m256 scale = _mm256_loadu_ps(out->column_scale + 8 * h);
        __m256 bias = out->bias ? _mm256_loadu_ps(out->bias + 8 * h) : _mm256_setzero_ps();
        UNROLL for (size_t r = 0; r < R; r++) {
            __m256 row = _mm256_set1_ps(out->row_scale ? out->row_scale[r] : out->tensor_scale);
            float *place = out->floats + r * out->stride + 8 * h;
            __m256 v = _mm256_cvtepi32_ps(_mm256_sub_epi32(sums[r][h], shift));
            v = _mm256_fmadd_ps(v, _mm256_mul_ps(row, scale), bias);
            if (out->accumulate) v = _mm256_add_ps(v, _mm256_loadu_ps(place));
            _mm256_storeu_ps(place, v);
        }
    }
}

static void pack_weights(const int8_t *weights, size_t n, size_t k, int8_t *packed,
                         int32_t *column_sums) {
    pack_groups(weights, n, k, 4, packed, column_sums);
}

// Computes a tile of as many of the `rows` as it has a size for; returns how many.
INLINE size_t tile_part(size_t rows, const tile_input *in, const tile_output *out);

TARGET static void tile_run(size_t rows, size_t panels, const tile_input *input,
                            const tile_output *output) {
    (void)panels;
    tile_input in = *input;
    tile_output out = *output;
    while (rows) {
        size_t done = tile_part(rows, &in, &out);
        rows -= done;
        in.a += done * in.a_stride;
        if (out.sums) {
            out.sums += done * out.stride;
        } else {
            out.floats += done * out.stride;
            if (out.row_scale) out.row_scale += done;
        }
    }
}
