// The product with plain NEON: a tile of 4 rows x 16 columns, 16 registers of sums. Weights stand
// one term at a time, widened to 16 bits once for all rows; `smlal` multiplies four of them by one
// term of a row and adds in 32 bits.
#if defined(__aarch64__)
#define TARGET
#define GROUP 1
#define FULL_RANGE_IS_FAST 1
#define TILE_ROWS 4
#define ROW_OFFSET 0
#define PROBE_MULTIPLIES (16 * 4)
#define TABLE declip_int8_gemm_neon
#include "int8_gemm_neon.h"

#define STEP(LANE)                                                                                 \
    {                                                                                              \
        int8x16_t bytes = vld1q_s8(w + (i + LANE) * PANEL);                                        \
        int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);                 \
        UNROLL for (size_t r = 0; r < R; r++) {                                                    \
            sums[r][0] = vmlal_laneq_s16(sums[r][0], vget_low_s16(low), a[r], LANE);               \
            sums[r][1] = vmlal_high_laneq_s16(sums[r][1], low, a[r], LANE);                        \
            sums[r][2] = vmlal_laneq_s16(sums[r][2], vget_low_s16(high), a[r], LANE);              \
            sums[r][3] = vmlal_high_laneq_s16(sums[r][3], high, a[r], LANE);                       \
        }                                                                                          \
    }

INLINE void tile_sums(const size_t R, const tile_input *in, int32x4_t sums[TILE_ROWS][4]) {
    const int8_t *w = in->panels;
    for (size_t i = 0; i < in->k; i += 8) {
        int16x8_t a[TILE_ROWS];
        UNROLL for (size_t r = 0; r < R; r++) a[r] =
            vreinterpretq_s16_u16(vmovl_u8(vld1_u8(in->a + r * in->a_stride + i)));
        STEP(0)
        STEP(1)
        STEP(2)
        STEP(3)
        STEP(4)
        STEP(5)
        STEP(6)
        STEP(7)
    }
}

INLINE void probe_step(int32x4_t sums[16]) {
    int16x4_t a = vdup_n_s16(3), w = vdup_n_s16(5);
    __asm__("" : "+w"(a), "+w"(w));
    UNROLL for (size_t j = 0; j < 16; j++) sums[j] = vmlal_s16(sums[j], a, w);
}
#else
typedef int declip_int8_gemm_neon_is_not_built; // an empty translation unit is not C
#endif
