// The product with AVX-512 VNNI.
//
// A tile of 12 rows x 32 columns: 24 of the 32 registers hold sums (2 for every row), 2 the weights
// of four terms, the rest four bytes of a row, broadcast. `vpdpbusd` makes 64 multiply-accumulates
// in one instruction; a step of four terms takes 24 of them, 12 broadcasts and 2 loads, so the
// multiplier is the only busy unit. The 32 columns of a panel pair take 24 KiB at K = 768.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define GROUP 4
#define TILE_ROWS 12
#define TILE_PANELS 2
#define FLOATS declip_float_avx512
#include "int8_gemm.h"
#include "int8_tables.h"

#include <immintrin.h>

// One row's step: four terms times the weights of one or two panels. In assembly because the
// compiler, left alone, loads the terms of all rows first and runs out of registers.
INLINE void step_one(const uint8_t *a, __m512i w, __m512i *sum) {
    __m512i terms;
    __asm__("vpbroadcastd %2, %1\n\tvpdpbusd %3, %1, %0"
            : "+v"(*sum), "=&v"(terms)
            : "m"(*(const uint8_t(*)[4])a), "v"(w));
}

INLINE void step_two(const uint8_t *a, __m512i w0, __m512i w1, __m512i *sum0, __m512i *sum1) {
    __m512i terms;
    __asm__("vpbroadcastd %3, %2\n\tvpdpbusd %4, %2, %0\n\tvpdpbusd %5, %2, %1"
            : "+v"(*sum0), "+v"(*sum1), "=&v"(terms)
            : "m"(*(const uint8_t(*)[4])a), "v"(w0), "v"(w1));
}

INLINE void finish(const size_t R, const size_t P, __m512i sums[TILE_ROWS][TILE_PANELS],
                   const tile_output *out) {
    if (out->sums) {
        UNROLL for (size_t r = 0; r < R; r++) {
            UNROLL for (size_t p = 0; p < P; p++)
                _mm512_storeu_si512(out->sums + r * out->stride + p * PANEL, sums[r][p]);
        }
        return;
    }
    __m512 scale[TILE_PANELS], bias[TILE_PANELS];
    UNROLL for (size_t p = 0; p < P; p++) {
        scale[p] = _mm512_loadu_ps(out->column_scale + p * PANEL);
        bias[p] = out->bias ? _mm512_loadu_ps(out->bias + p * PANEL) : _mm512_setzero_ps();
    }
    UNROLL for (size_t r = 0; r < R; r++) {
        __m512 row = _mm512_set1_ps(out->row_scale ? out->row_scale[r] : out->tensor_scale);
        UNROLL for (size_t p = 0; p < P; p++) {
            float *place = out->floats + r * out->stride + p * PANEL;
            __m512 v = _mm512_cvtepi32_ps(sums[r][p]);
            v = _mm512_fmadd_ps(v, _mm512_mul_ps(row, scale[p]), bias[p]);
            if (out->accumulate) v = _mm512_add_ps(v, _mm512_loadu_ps(place));
            _mm512_storeu_ps(place, v);
        }
    }
}

INLINE void tile(const size_t R, const size_t P, const tile_input *in, const tile_output *out) {
    __m512i sums[TILE_ROWS][TILE_PANELS], start[TILE_PANELS];
    // Sums begin with what the zero point takes away.
    UNROLL for (size_t p = 0; p < P; p++) {
        start[p] = out->sums ? _mm512_setzero_si512()
                             : _mm512_mullo_epi32(_mm512_loadu_si512(out->column_sum + p * PANEL),
                                                  _mm512_set1_epi32(-out->zero_point));
    }
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t p = 0; p < P; p++) sums[r][p] = start[p];
    }
    // The output's lines arrive while the sums are made.
    const char *place = out->sums ? (const char *)out->sums : (const char *)out->floats;
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t p = 0; p < P; p++)
            __builtin_prefetch(place + 4 * (r * out->stride + p * PANEL), 1);
    }
    // Rows in threes from one pointer: its address modes reach stride and twice the stride.
    const size_t stride = in->a_stride;
    const uint8_t *a[4] = {in->a, in->a + 3 * stride, in->a + 6 * stride, in->a + 9 * stride};
    const int8_t *w = in->panels, *other = w + in->panel_bytes;
    for (size_t i = 0; i < in->k; i += 8) {
        // Keeps the four pointers in registers of their own.
        UNROLL for (size_t j = 0; j < (R + 2) / 3; j++) __asm__("" : "+r"(a[j]));
        // The panels after the next ones, from wherever they are into the second-level cache: the
        // processor's own prefetching stops at every page. Behind the last panel follow those of
        // the next product, or nothing that could be harmed.
        if (P > 1) {
            UNROLL for (size_t j = 0; j < 2; j++) {
                __builtin_prefetch(w + 4 * in->panel_bytes + 64 * j, 0, 2);
                __builtin_prefetch(other + 4 * in->panel_bytes + 64 * j, 0, 2);
            }
        }
        UNROLL for (size_t step = 0; step < 8; step += 4) {
            __m512i weights[2];
            weights[0] = _mm512_loadu_si512(w + step * PANEL);
            if (P > 1) weights[1] = _mm512_loadu_si512(other + step * PANEL);
            UNROLL for (size_t r = 0; r < R; r++) {
                const uint8_t *terms = a[r / 3] + r % 3 * stride + step;
                if (P > 1) {
                    step_two(terms, weights[0], weights[1], &sums[r][0], &sums[r][1]);
                } else {
                    step_one(terms, weights[0], &sums[r][0]);
                }
            }
        }
        w += 8 * PANEL;
        other += 8 * PANEL;
        UNROLL for (size_t j = 0; j < (R + 2) / 3; j++) a[j] += 8;
    }
    finish(R, P, sums, out);
}

INLINE size_t tile_rows(size_t rows, const size_t P, const tile_input *in, const tile_output *out) {
    switch (rows) {
    case 1: return tile(1, P, in, out), 1;
    case 2: return tile(2, P, in, out), 2;
    case 3: return tile(3, P, in, out), 3;
    case 4: return tile(4, P, in, out), 4;
    case 5: return tile(5, P, in, out), 5;
    case 6: return tile(6, P, in, out), 6;
    case 7: return tile(7, P, in, out), 7;
    case 8: return tile(8, P, in, out), 8;
    case 9: return tile(9, P, in, out), 9;
    case 10: return tile(10, P, in, out), 10;
    case 11: return tile(11, P, in, out), 11;
    default: return tile(12, P, in, out), 12;
    }
}

INLINE size_t tile_part(size_t rows, size_t panels, const tile_input *in, const tile_output *out) {
    return panels > 1 ? tile_rows(rows, 2, in, out) : tile_rows(rows, 1, in, out);
}

TARGET static uint64_t probe_peak(uint64_t iterations) {
    __m512i sums[24], a = _mm512_set1_epi8(3), w = _mm512_set1_epi8(5);
    UNROLL for (size_t r = 0; r < 24; r++) sums[r] = _mm512_setzero_si512();
    for (uint64_t i = 0; i < iterations; i++) {
        UNROLL for (size_t r = 0; r < 24; r++) sums[r] = _mm512_dpbusd_epi32(sums[r], a, w);
    }
    UNROLL for (size_t r = 0; r < 24; r++) __asm__ volatile("" ::"v"(sums[r]));
    return iterations * 24 * 64;
}

const declip_int8_gemm declip_int8_gemm_avx512vnni = {
    GROUP, 1, packed_size, pack_weights, u8s8_s32, u8s8_f32, probe_peak,
};
#else
typedef int declip_int8_gemm_avx512vnni_is_not_built; // an empty translation unit is not C
#endif
