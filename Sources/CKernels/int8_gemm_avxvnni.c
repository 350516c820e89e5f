// The product with AVX-VNNI, the form of VNNI on 256-bit registers that processors without AVX-512
// have.
//
// A tile of 6 rows x 16 columns: 12 of the 16 registers hold sums, 2 the weights of four terms, one
// four bytes of a row, broadcast. A step of four terms takes 12 `vpdpbusd` of 32 multiply-
// accumulates, 6 broadcasts and 2 loads.
#if defined(__x86_64__)
#ifndef TARGET
#define TARGET __attribute__((target("avx2,fma,avxvnni")))
#define VPDPBUSD "%{vex%} vpdpbusd"
#endif
#define TILE_ROWS 6
#include "int8_gemm_256.h"

// One row's step. In assembly because the compiler, left alone, loads the terms of all rows first
// and runs out of registers.
INLINE void step(const uint8_t *a, __m256i w0, __m256i w1, __m256i sum[2]) {
    __m256i terms;
    __asm__("vpbroadcastd %3, %2\n\t" VPDPBUSD " %4, %2, %0\n\t" VPDPBUSD " %5, %2, %1"
            : "+x"(sum[0]), "+x"(sum[1]), "=&x"(terms)
            : "m"(*(const uint8_t(*)[4])a), "x"(w0), "x"(w1));
}

INLINE __m256i load(const int8_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

INLINE void tile(const size_t R, const tile_input *in, const tile_output *out) {
    __m256i sums[TILE_ROWS][2];
    UNROLL for (size_t h = 0; h < 2; h++) {
        const __m256i start = start_of(h, out);
        UNROLL for (size_t r = 0; r < R; r++) sums[r][h] = start;
    }
    prefetch_output(R, out);
    const size_t stride = in->a_stride;
    const uint8_t *a[2] = {in->a, in->a + 3 * stride};
    const int8_t *w = in->panels;
    for (size_t i = 0; i < in->k; i += 8, w += 8 * PANEL) {
        // Keeps the two pointers in registers of their own.
        UNROLL for (size_t j = 0; j < (R + 2) / 3; j++) __asm__("" : "+r"(a[j]));
        UNROLL for (size_t s = 0; s < 8; s += 4) {
            __m256i w0 = load(w + s * PANEL), w1 = load(w + s * PANEL + 32);
            UNROLL for (size_t r = 0; r < R; r++)
                step(a[r / 3] + r % 3 * stride + s, w0, w1, sums[r]);
        }
        UNROLL for (size_t j = 0; j < (R + 2) / 3; j++) a[j] += 8;
    }
    finish(R, sums, out);
}

INLINE size_t tile_part(size_t rows, size_t panels, const tile_input *in, const tile_output *out) {
    (void)panels;
    if (rows >= 6)
        return tile(6, in, out), 6;
    if (rows >= 4)
        return tile(4, in, out), 4;
    if (rows >= 2)
        return tile(2, in, out), 2;
    return tile(1, in, out), 1;
}

TARGET static uint64_t probe_peak(declip_int8_range range, uint64_t iterations) {
    (void)range;
    __m256i sums[12], a = _mm256_set1_epi8(3), w = _mm256_set1_epi8(5);
    UNROLL for (size_t r = 0; r < 12; r++) sums[r] = _mm256_setzero_si256();
    for (uint64_t i = 0; i < iterations; i++) {
        UNROLL for (size_t r = 0; r < 12;
                    r++) __asm__(VPDPBUSD " %2, %1, %0" : "+x"(sums[r]) : "x"(a), "x"(w));
    }
    UNROLL for (size_t r = 0; r < 12; r++) __asm__ volatile("" ::"x"(sums[r]));
    return iterations * 12 * 32;
}

const declip_int8_gemm declip_int8_gemm_avxvnni = {
    GROUP, 1, packed_size, pack_weights, u8s8_s32, u8s8_f32, probe_peak,
};
#else
typedef int declip_int8_gemm_avxvnni_is_not_built; // an empty translation unit is not C
#endif
