// The product with NEON's 8-bit matrix instructions: a tile of 6 rows x 16 columns. `usmmla`
// multiplies 2 rows of 8 terms by 2 columns of 8 terms, 32 multiply-accumulates; 24 registers hold
// the sums of 2 x 2 each. Rows that are missing from a pair repeat the one before.
#if defined(__aarch64__)
#define TARGET __attribute__((target("i8mm,dotprod")))
#define GROUP 8
#define FULL_RANGE_IS_FAST 1
#define TILE_ROWS 6
#define ROW_OFFSET 0
#define PROBE_MULTIPLIES (16 * 32)
#define TABLE declip_int8_gemm_i8mm
#include "int8_gemm_neon.h"

INLINE void tile_sums(const size_t R, const tile_input *in, int32x4_t sums[TILE_ROWS][4]) {
    const int8_t *w = in->panels;
    const size_t stride = in->a_stride;
    int32x4_t blocks[TILE_ROWS / 2][8];
    UNROLL for (size_t p = 0; p < (R + 1) / 2; p++) {
        UNROLL for (size_t j = 0; j < 8; j++) blocks[p][j] = vdupq_n_s32(0);
    }
    for (size_t i = 0; i < in->k; i += 8, w += 8 * PANEL) {
        uint8x16_t a[TILE_ROWS / 2];
        UNROLL for (size_t p = 0; p < (R + 1) / 2; p++) {
            const uint8_t *row = in->a + 2 * p * stride + i;
            a[p] = vcombine_u8(vld1_u8(row), vld1_u8(2 * p + 1 < R ? row + stride : row));
        }
        UNROLL for (size_t j = 0; j < 8; j++) {
            int8x16_t weights = vld1q_s8(w + 16 * j);
            UNROLL for (size_t p = 0; p < (R + 1) / 2; p++) blocks[p][j] =
                vusmmlaq_s32(blocks[p][j], a[p], weights);
        }
    }
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t j = 0; j < 4; j++) {
            int64x2_t left = vreinterpretq_s64_s32(blocks[r / 2][2 * j]);
            int64x2_t right = vreinterpretq_s64_s32(blocks[r / 2][2 * j + 1]);
            sums[r][j] =
                vreinterpretq_s32_s64(r % 2 ? vzip2q_s64(left, right) : vzip1q_s64(left, right));
        }
    }
}

INLINE void probe_step(int32x4_t sums[16]) {
    uint8x16_t a = vdupq_n_u8(3);
    int8x16_t w = vdupq_n_s8(5);
    __asm__("" : "+w"(a), "+w"(w));
    UNROLL for (size_t j = 0; j < 16; j++) sums[j] = vusmmlaq_s32(sums[j], a, w);
}
#else
typedef int declip_int8_gemm_i8mm_is_not_built; // an empty translation unit is not C
#endif
