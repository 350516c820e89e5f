// What the products on NEON registers share: tiles of one panel, four registers of sums to a row.
// The file that includes this defines TARGET, TABLE, TILE_ROWS, GROUP (terms that stand together),
// FULL_RANGE_IS_FAST, ROW_OFFSET (what the sums' activations lack), PROBE_MULTIPLIES (multiply-
// accumulates of `probe_step`) and, after it, `tile_sums`, which leaves the sums of a tile in
// order, and `probe_step`.
#define TILE_PANELS 1
#define FLOATS declip_float_neon
#include "int8_gemm.h"
#include "int8_tables.h"

#include <arm_neon.h>

// The sums of R rows and 16 columns.
INLINE void tile_sums(const size_t R, const tile_input *in, int32x4_t sums[TILE_ROWS][4]);

// The instructions of a step on registers alone.
INLINE void probe_step(int32x4_t sums[16]);

// Integers without an epilogue carry no column sums; these are summed anew.
INLINE void finish_integers(const size_t R, const tile_input *in, int32x4_t sums[TILE_ROWS][4],
                            const tile_output *out) {
    int32_t shift[PANEL] = {0};
    if (ROW_OFFSET) {
        for (size_t i = 0; i < in->k * PANEL; i++)
            shift[i / GROUP % PANEL] += ROW_OFFSET * in->panels[i];
    }
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t j = 0; j < 4; j++) vst1q_s32(
            out->sums + r * out->stride + 4 * j, vaddq_s32(sums[r][j], vld1q_s32(shift + 4 * j)));
    }
}

INLINE void finish(const size_t R, int32x4_t sums[TILE_ROWS][4], const tile_output *out) {
    UNROLL for (size_t j = 0; j < 4; j++) {
        int32x4_t shift =
            vmulq_n_s32(vld1q_s32(out->column_sum + 4 * j), out->zero_point - ROW_OFFSET);
        float32x4_t scale = vld1q_f32(out->column_scale + 4 * j);
        float32x4_t bias = out->bias ? vld1q_f32(out->bias + 4 * j) : vdupq_n_f32(0);
        UNROLL for (size_t r = 0; r < R; r++) {
            float row = out->row_scale ? out->row_scale[r] : out->tensor_scale;
            float *place = out->floats + r * out->stride + 4 * j;
            float32x4_t v = vcvtq_f32_s32(vsubq_s32(sums[r][j], shift));
            v = vaddq_f32(vmulq_f32(v, vmulq_n_f32(scale, row)), bias);
            if (out->accumulate)
                v = vaddq_f32(v, vld1q_f32(place));
            vst1q_f32(place, v);
        }
    }
}

INLINE void tile(const size_t R, const tile_input *in, const tile_output *out) {
    int32x4_t sums[TILE_ROWS][4];
    const char *place = out->sums ? (const char *)out->sums : (const char *)out->floats;
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t j = 0; j < 4; j++) sums[r][j] = vdupq_n_s32(0);
        __builtin_prefetch(place + 4 * r * out->stride, 1);
    }
    tile_sums(R, in, sums);
    if (out->sums) {
        finish_integers(R, in, sums, out);
    } else {
        finish(R, sums, out);
    }
}

INLINE size_t tile_part(size_t rows, size_t panels, const tile_input *in, const tile_output *out) {
    (void)panels;
    if (rows >= TILE_ROWS)
        return tile(TILE_ROWS, in, out), TILE_ROWS;
    if (rows >= 4)
        return tile(4, in, out), 4;
    if (rows >= 2)
        return tile(2, in, out), 2;
    return tile(1, in, out), 1;
}

TARGET static uint64_t probe_peak(declip_int8_range range, uint64_t iterations) {
    (void)range;
    int32x4_t sums[16];
    UNROLL for (size_t j = 0; j < 16; j++) sums[j] = vdupq_n_s32(0);
    for (uint64_t i = 0; i < iterations; i++) {
        probe_step(sums);
        UNROLL for (size_t j = 0; j < 16; j++) __asm__("" : "+w"(sums[j]));
    }
    UNROLL for (size_t j = 0; j < 16; j++) __asm__ volatile("" ::"w"(sums[j]));
    return iterations * PROBE_MULTIPLIES;
}

const declip_int8_gemm TABLE = {
    GROUP, FULL_RANGE_IS_FAST, packed_size, pack_weights, u8s8_s32, u8s8_f32, probe_peak,
};
