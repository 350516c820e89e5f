// The product with AVX2.
//
// Narrow operands: a tile of 4 rows x 16 columns, 8 registers of sums, 2 of weights. `vpmaddubsw`
// adds two products of bytes in 16 bits, which cannot saturate while activations have 7 bits
// (2 * 127 * 128 < 2^15), weights have (2 * 255 * 64 < 2^15), or neighbouring weights add up to 128
// (255 * 128 < 2^15); `vpmaddwd` with ones adds two of those in 32 bits. Three instructions for 32 multiply-accumulates. Where both have 7 bits, four
// products fit into 16 bits (4 * 127 * 64 < 2^15), and five instructions do for 64.
//
// Full bytes: a tile of 2 rows x 16 columns with everything widened to 16 bits, two instructions
// for 16 multiply-accumulates; 8 registers hold the sums, two to a column.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma")))
#define TILE_ROWS 4
#include "int8_gemm_256.h"

// One row's step: four terms times 16 columns. In assembly because the compiler, left alone, loads
// the terms of all rows first and runs out of registers.
INLINE void step(const uint8_t *a, __m256i w0, __m256i w1, __m256i ones, __m256i sum[2]) {
    __m256i terms, low;
    __asm__("vpbroadcastd %4, %2\n\t"
            "vpmaddubsw %5, %2, %3\n\t"
            "vpmaddubsw %6, %2, %2\n\t"
            "vpmaddwd %7, %3, %3\n\t"
            "vpmaddwd %7, %2, %2\n\t"
            "vpaddd %3, %0, %0\n\t"
            "vpaddd %2, %1, %1"
            : "+x"(sum[0]), "+x"(sum[1]), "=&x"(terms), "=&x"(low)
            : "m"(*(const uint8_t(*)[4])a), "x"(w0), "x"(w1), "x"(ones));
}

// Two steps of 7-bit operands. The second step's weights come from memory, as registers are few.
INLINE void step_twice(const uint8_t *a, __m256i w0, __m256i w1, const int8_t *next, __m256i ones,
                       __m256i sum[2]) {
    __m256i terms, low, other, other_low;
    __asm__("vpbroadcastd %6, %2\n\t"
            "vpbroadcastd %7, %4\n\t"
            "vpmaddubsw %8, %2, %3\n\t"
            "vpmaddubsw %10, %4, %5\n\t"
            "vpmaddubsw %9, %2, %2\n\t"
            "vpmaddubsw %11, %4, %4\n\t"
            "vpaddw %5, %3, %3\n\t"
            "vpaddw %4, %2, %2\n\t"
            "vpmaddwd %12, %3, %3\n\t"
            "vpmaddwd %12, %2, %2\n\t"
            "vpaddd %3, %0, %0\n\t"
            "vpaddd %2, %1, %1"
            : "+x"(sum[0]), "+x"(sum[1]), "=&x"(terms), "=&x"(low), "=&x"(other), "=&x"(other_low)
            : "m"(*(const uint8_t(*)[4])a), "m"(*(const uint8_t(*)[4])(a + 4)), "x"(w0), "x"(w1),
              "m"(*(const int8_t(*)[32])next), "m"(*(const int8_t(*)[32])(next + 32)), "x"(ones));
}

INLINE __m256i load(const int8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }

INLINE void tile(const size_t R, const int is_7_bit, const tile_input *in, const tile_output *out) {
    __m256i sums[TILE_ROWS][2], ones = _mm256_set1_epi16(1);
    UNROLL for (size_t r = 0; r < R; r++) sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    prefetch_output(R, out);
    const size_t stride = in->a_stride, size = 4 * PANEL;
    const uint8_t *a = in->a;
    const int8_t *w = in->panels;
    for (size_t i = 0; i < in->k; i += 8, a += 8, w += 2 * size) {
        __m256i w0 = load(w), w1 = load(w + 32);
        if (is_7_bit) {
            UNROLL for (size_t r = 0; r < R; r++)
                step_twice(a + r * stride, w0, w1, w + size, ones, sums[r]);
            continue;
        }
        UNROLL for (size_t r = 0; r < R; r++) step(a + r * stride, w0, w1, ones, sums[r]);
        w0 = load(w + size), w1 = load(w + size + 32);
        UNROLL for (size_t r = 0; r < R; r++) step(a + r * stride + 4, w0, w1, ones, sums[r]);
    }
    finish(R, sums, out);
}

INLINE size_t tile_rows(size_t rows, const int is_7_bit, const tile_input *in,
                        const tile_output *out) {
    if (rows >= 4) return tile(4, is_7_bit, in, out), 4;
    if (rows >= 3) return tile(3, is_7_bit, in, out), 3;
    if (rows >= 2) return tile(2, is_7_bit, in, out), 2;
    return tile(1, is_7_bit, in, out), 1;
}

// The same with 16-bit operands.
INLINE void wide_step(const uint8_t *a, const __m256i w[4], __m256i sum[4]) {
    int32_t bytes;
    memcpy(&bytes, a, sizeof bytes);
    __m256i terms = _mm256_cvtepu8_epi16(_mm_set1_epi32(bytes));
    UNROLL for (size_t j = 0; j < 4; j++)
        sum[j] = _mm256_add_epi32(sum[j], _mm256_madd_epi16(terms, w[j]));
}

INLINE void wide_tile(const size_t R, const tile_input *in, const tile_output *out) {
    __m256i sums[TILE_ROWS][4], whole[TILE_ROWS][2];
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t j = 0; j < 4; j++) sums[r][j] = _mm256_setzero_si256();
    }
    prefetch_output(R, out);
    const uint8_t *a = in->a;
    const int8_t *w = in->panels;
    for (size_t i = 0; i < in->k; i += 4, a += 4, w += 4 * PANEL) {
        __m256i wide[4];
        UNROLL for (size_t j = 0; j < 4; j++)
            wide[j] = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + 16 * j)));
        UNROLL for (size_t r = 0; r < R; r++) wide_step(a + r * in->a_stride, wide, sums[r]);
    }
    // Neighbours are added within 128-bit lanes, then the 64-bit quarters put in order.
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t h = 0; h < 2; h++)
            whole[r][h] = _mm256_permute4x64_epi64(
                _mm256_hadd_epi32(sums[r][2 * h], sums[r][2 * h + 1]), 0xd8);
    }
    finish(R, whole, out);
}

INLINE size_t tile_part(size_t rows, size_t panels, const tile_input *in, const tile_output *out) {
    (void)panels;
    if (in->range == DECLIP_INT8_U8S8) {
        if (rows >= 2) return wide_tile(2, in, out), 2;
        return wide_tile(1, in, out), 1;
    }
    if (in->range == DECLIP_INT8_U7S7) return tile_rows(rows, 1, in, out);
    return tile_rows(rows, 0, in, out);
}

TARGET static uint64_t probe_peak(uint64_t iterations) {
    enum { ROWS = 4 };
    __m256i sums[2 * ROWS], ones = _mm256_set1_epi16(1);
    __m256i a = _mm256_set1_epi8(3), w = _mm256_set1_epi8(5);
    UNROLL for (size_t r = 0; r < 2 * ROWS; r++) sums[r] = _mm256_setzero_si256();
    for (uint64_t i = 0; i < iterations; i++) {
        UNROLL for (size_t r = 0; r < 2 * ROWS; r++) {
            __m256i pairs;
            __asm__("vpmaddubsw %2, %3, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0"
                    : "+x"(sums[r]), "=&x"(pairs)
                    : "x"(w), "x"(a), "x"(ones));
        }
    }
    UNROLL for (size_t r = 0; r < 2 * ROWS; r++) __asm__ volatile("" ::"x"(sums[r]));
    return iterations * 2 * ROWS * 32;
}

const declip_int8_gemm declip_int8_gemm_avx2 = {
    GROUP, 0, packed_size, pack_weights, u8s8_s32, u8s8_f32, probe_peak,
};
#else
typedef int declip_int8_gemm_avx2_is_not_built; // an empty translation unit is not C
#endif
