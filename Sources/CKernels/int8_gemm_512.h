// What the products on 512-bit registers share: tiles of up to 12 rows x 32 columns.
//
// 24 of the 32 registers hold sums (2 for every row), 2 the weights of four terms, the rest four
// bytes of a row, broadcast. `vpdpbusd` makes 64 multiply-accumulates in one instruction; a step of
// four terms takes 24 of them, 12 broadcasts and 2 loads, so the multiplier is the only busy unit.
// The 32 columns of a panel pair take 24 KiB at K = 768.
//
// The file that includes this defines `tile_part` after it.
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
            v = _mm512_add_ps(_mm512_mul_ps(v, _mm512_mul_ps(row, scale[p])), bias[p]);
            if (out->accumulate)
                v = _mm512_add_ps(v, _mm512_loadu_ps(place));
            _mm512_storeu_ps(place, v);
        }
    }
}

// Where a panel's sums begin: with what the zero point takes away.
INLINE __m512i start_of(size_t p, const tile_output *out) {
    if (out->sums)
        return _mm512_setzero_si512();
    return _mm512_mullo_epi32(_mm512_loadu_si512(out->column_sum + p * PANEL),
                              _mm512_set1_epi32(-out->zero_point));
}

// The output's lines arrive while the sums are made.
INLINE void prefetch_output(const size_t R, const size_t P, const tile_output *out) {
    const char *place = out->sums ? (const char *)out->sums : (const char *)out->floats;
    UNROLL for (size_t r = 0; r < R; r++) {
        UNROLL for (size_t p = 0; p < P; p++)
            __builtin_prefetch(place + 4 * (r * out->stride + p * PANEL), 1);
    }
}

// `count` terms from the `first` on of the panels after the next ones, from wherever they are into
// the second-level cache: the processor's own prefetching stops at every page. Behind the last
// panel follow those of the next product, or nothing that could be harmed.
INLINE void fetch_panels(const size_t first, const size_t count, const tile_input *in,
                         const int8_t *const w[2]) {
    UNROLL for (size_t j = first * PANEL; j < (first + count) * PANEL; j += 64) {
        __builtin_prefetch(w[0] + 4 * in->panel_bytes + j, 0, 2);
        __builtin_prefetch(w[1] + 4 * in->panel_bytes + j, 0, 2);
    }
}

// Where a tile reads. Rows in threes from one pointer: its address modes reach stride and twice the
// stride.
typedef struct tile_place {
    const uint8_t *a[4];
    const int8_t *w[2];
} tile_place;

INLINE tile_place place_of(const tile_input *in) {
    const uint8_t *a = in->a;
    const size_t threes = 3 * in->a_stride;
    return (tile_place){{a, a + threes, a + 2 * threes, a + 3 * threes},
                        {in->panels, in->panels + in->panel_bytes}};
}

// Keeps the pointers to rows in registers of their own.
INLINE void hold(const size_t R, tile_place *at) {
    UNROLL for (size_t j = 0; j < (R + 2) / 3; j++) __asm__("" : "+r"(at->a[j]));
}

INLINE void advance(const size_t R, const size_t terms, tile_place *at) {
    UNROLL for (size_t p = 0; p < 2; p++) at->w[p] += terms * PANEL;
    UNROLL for (size_t j = 0; j < (R + 2) / 3; j++) at->a[j] += terms;
}

// The products of `count` terms, a multiple of 8.
INLINE void add_terms(const size_t R, const size_t P, const tile_input *in, size_t count,
                      tile_place *at, __m512i sums[TILE_ROWS][TILE_PANELS]) {
    for (size_t i = 0; i < count; i += 8) {
        hold(R, at);
        if (P > 1)
            fetch_panels(0, 8, in, at->w);
        UNROLL for (size_t step = 0; step < 8; step += 4) {
            __m512i weights[2];
            UNROLL for (size_t p = 0; p < P; p++) weights[p] =
                _mm512_loadu_si512(at->w[p] + step * PANEL);
            UNROLL for (size_t r = 0; r < R; r++) {
                const uint8_t *terms = at->a[r / 3] + r % 3 * in->a_stride + step;
                if (P > 1) {
                    step_two(terms, weights[0], weights[1], &sums[r][0], &sums[r][1]);
                } else {
                    step_one(terms, weights[0], &sums[r][0]);
                }
            }
        }
        advance(R, 8, at);
    }
}

INLINE void tile(const size_t R, const size_t P, const tile_input *in, const tile_output *out) {
    __m512i sums[TILE_ROWS][TILE_PANELS];
    UNROLL for (size_t p = 0; p < P; p++) {
        const __m512i start = start_of(p, out);
        UNROLL for (size_t r = 0; r < R; r++) sums[r][p] = start;
    }
    prefetch_output(R, P, out);
    tile_place at = place_of(in);
    add_terms(R, P, in, in->k, &at, sums);
    finish(R, P, sums, out);
}

INLINE size_t tile_rows(size_t rows, const size_t P, const tile_input *in, const tile_output *out) {
    switch (rows) {
    case 1:
        return tile(1, P, in, out), 1;
    case 2:
        return tile(2, P, in, out), 2;
    case 3:
        return tile(3, P, in, out), 3;
    case 4:
        return tile(4, P, in, out), 4;
    case 5:
        return tile(5, P, in, out), 5;
    case 6:
        return tile(6, P, in, out), 6;
    case 7:
        return tile(7, P, in, out), 7;
    case 8:
        return tile(8, P, in, out), 8;
    case 9:
        return tile(9, P, in, out), 9;
    case 10:
        return tile(10, P, in, out), 10;
    case 11:
        return tile(11, P, in, out), 11;
    default:
        return tile(12, P, in, out), 12;
    }
}

TARGET static uint64_t probe_tile(uint64_t iterations) {
    __m512i sums[24], a = _mm512_set1_epi8(3), w = _mm512_set1_epi8(5);
    UNROLL for (size_t r = 0; r < 24; r++) sums[r] = _mm512_setzero_si512();
    for (uint64_t i = 0; i < iterations; i++) {
        UNROLL for (size_t r = 0; r < 24; r++) sums[r] = _mm512_dpbusd_epi32(sums[r], a, w);
    }
    UNROLL for (size_t r = 0; r < 24; r++) __asm__ volatile("" ::"v"(sums[r]));
    return iterations * 24 * 64;
}
