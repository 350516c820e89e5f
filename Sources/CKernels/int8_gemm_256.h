// What the products on 256-bit registers share: tiles of one panel, two registers of sums to a row.
// The file that includes this defines TARGET and, after it, `tile_part`.
#define GROUP 4
#define TILE_PANELS 1
#define FLOATS declip_float_avx2
#include "int8_gemm.h"
#include "int8_tables.h"

#include <immintrin.h>

// Where half a panel's sums begin: with what the zero point takes away.
INLINE __m256i start_of(size_t h, const tile_output *out) {
    if (out->sums)
        return _mm256_setzero_si256();
    const int32_t *sums = out->column_sum + 8 * h;
    return _mm256_mullo_epi32(_mm256_loadu_si256((const __m256i *)sums),
                              _mm256_set1_epi32(-out->zero_point));
}

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
        __m256 scale = _mm256_loadu_ps(out->column_scale + 8 * h);
        __m256 bias = out->bias ? _mm256_loadu_ps(out->bias + 8 * h) : _mm256_setzero_ps();
        UNROLL for (size_t r = 0; r < R; r++) {
            __m256 row = _mm256_set1_ps(out->row_scale ? out->row_scale[r] : out->tensor_scale);
            float *place = out->floats + r * out->stride + 8 * h;
            __m256 v = _mm256_cvtepi32_ps(sums[r][h]);
            v = _mm256_add_ps(_mm256_mul_ps(v, _mm256_mul_ps(row, scale)), bias);
            if (out->accumulate)
                v = _mm256_add_ps(v, _mm256_loadu_ps(place));
            _mm256_storeu_ps(place, v);
        }
    }
}
