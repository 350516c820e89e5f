// The product with NEON's dot products of signed bytes: a tile of 4 rows x 16 columns, 16 registers
// of sums. Activations lose 128 to become signed; the epilogue gives it back with the zero point.
// `sdot` makes 16 multiply-accumulates.
#if defined(__aarch64__)
#define TARGET __attribute__((target("dotprod")))
#define GROUP 4
#define FULL_RANGE_IS_FAST 1
#define TILE_ROWS 4
#define ROW_OFFSET 128
#define PROBE_MULTIPLIES (16 * 16)
#define TABLE declip_int8_gemm_dotprod
#include "int8_gemm_neon.h"

#define STEP(LANE)                                                                                 \
    {                                                                                              \
        const int8_t *group = w + (i + 4 * LANE) * PANEL;                                          \
        UNROLL for (size_t j = 0; j < 4; j++) {                                                    \
            int8x16_t weights = vld1q_s8(group + 16 * j);                                          \
            UNROLL for (size_t r = 0; r < R; r++) sums[r][j] =                                     \
                vdotq_laneq_s32(sums[r][j], weights, a[r], LANE);                                  \
        }                                                                                          \
    }

INLINE void tile_sums(const size_t R, const tile_input *in, int32x4_t sums[TILE_ROWS][4]) {
    const int8_t *w = in->panels;
    for (size_t i = 0; i < in->k; i += 16) {
        int8x16_t a[TILE_ROWS];
        UNROLL for (size_t r = 0; r < R; r++) a[r] =
            vreinterpretq_s8_u8(veorq_u8(vld1q_u8(in->a + r * in->a_stride + i), vdupq_n_u8(0x80)));
        STEP(0)
        STEP(1)
        STEP(2)
        STEP(3)
    }
}

INLINE void probe_step(int32x4_t sums[16]) {
    int8x16_t a = vdupq_n_s8(3), w = vdupq_n_s8(5);
    __asm__("" : "+w"(a), "+w"(w));
    UNROLL for (size_t j = 0; j < 16; j++) sums[j] = vdotq_s32(sums[j], w, a);
}
#else
typedef int declip_int8_gemm_dotprod_is_not_built; // an empty translation unit is not C
#endif
