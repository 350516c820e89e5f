// The fast inner product (Winograd, A New Algorithm for Inner Product, IEEE Transactions on
// Computers C-17, 1968; Pogue and Nicolici, Fast Inner-Product Algorithms and Architectures for
// Deep Neural Network Accelerators, IEEE Transactions on Computers, 2024) of bytes on 512-bit
// registers:
//
//   (a' + w) * (a + w') = a w + a' w' + a a' + w w'
//
// where the last two depend on the row or the column alone and are subtracted once. With terms a of
// 0..127 and weights w of -64..63 both sums fit bytes, one of them unsigned, once 64 is added to w
// and taken from w'; the sums are exact integers.
//
// A chunk of 48 terms has 16 a, 16 a' and 16 that are multiplied alone, whose weights have 64 added
// as well. Its instructions for 192 multiply-accumulates, two `vpdpbusd` and two `vpaddb`, keep the
// multipliers and the adders of a processor that has them apart equally busy, and take two thirds
// of the time of three `vpdpbusd`.
//
// The file that includes this defines TARGET, INLINE and UNROLL.
#ifndef FAST_INNER_512_H
#define FAST_INNER_512_H

#include <immintrin.h>

enum { PART = 16, CHUNK = 3 * PART, MIDDLE = 64 };

// Four terms of 16 channels in each part of a chunk, `part` bytes apart, made ready; adds what the
// channels' sums will have too much to `columns`.
INLINE void split_weights(int8_t *place, size_t part, __m512i *columns) {
    const __m512i middle = _mm512_set1_epi8(MIDDLE);
    int8_t *second = place + part, *alone = second + part;
    const __m512i above = _mm512_add_epi8(_mm512_loadu_si512(place), middle);
    const __m512i below = _mm512_sub_epi8(_mm512_loadu_si512(second), middle);
    *columns = _mm512_dpbusd_epi32(*columns, above, below);
    _mm512_storeu_si512(place, above);
    _mm512_storeu_si512(second, below);
    _mm512_storeu_si512(alone, _mm512_add_epi8(_mm512_loadu_si512(alone), middle));
}

// What a row's sums will have too much for its chunk at `a`, but for 64 times all terms:
// a' (a - 128).
INLINE __m128i split_terms(__m128i sum, const uint8_t *a) {
    const __m128i first = _mm_loadu_si128((const __m128i *)a);
    const __m128i second = _mm_loadu_si128((const __m128i *)(a + PART));
    return _mm_dpbusd_epi32(sum, second, _mm_xor_si128(first, _mm_set1_epi8(-128)));
}

// The weights of four bytes of each part's terms in one panel.
typedef struct chunk_weights {
    __m512i first, second, alone;
} chunk_weights;

// One row's step: four bytes of each part, `part` bytes apart, times the weights of one or two
// panels, by instructions that add and multiply bytes or words. In assembly because the compiler,
// left alone, loads the terms of all rows first and runs out of registers.
#define CHUNK_STEPS(NAME, ADD, MULTIPLY, ALONE)                                                    \
    INLINE void NAME##_one(const uint8_t *a, const size_t part, const chunk_weights *w,            \
                           __m512i *sum) {                                                         \
        __m512i left, right;                                                                       \
        __asm__("vpbroadcastd %3, %2\n\t"                                                          \
                "vpbroadcastd %4, %1\n\t" ADD " %7, %2, %2\n\t" ADD " %6, %1, %1\n\t" MULTIPLY     \
                " %5%{1to16%}, %8, %0\n\t" MULTIPLY " %2, %1, %0"                                  \
                : "+v"(*sum), "=&v"(left), "=&v"(right)                                            \
                : "m"(*(const uint8_t(*)[4])a), "m"(*(const uint8_t(*)[4])(a + part)),             \
                  "m"(*(const uint8_t(*)[4])(a + 2 * part)), "v"(w->first), "v"(w->second),        \
                  "v"(w->alone));                                                                  \
    }                                                                                              \
    INLINE void NAME##_two(const uint8_t *a, const size_t part, const chunk_weights w[2],          \
                           __m512i *sum0, __m512i *sum1) {                                         \
        __m512i left, right, terms0, terms1;                                                       \
        __asm__("vpbroadcastd %6, %5\n\t"                                                          \
                "vpbroadcastd %7, %4\n\t" ADD " %10, %5, %3\n\t" ADD " %9, %4, %2\n\t" MULTIPLY    \
                " %8%{1to16%}, %11, %0\n\t" ADD " %13, %5, %5\n\t" ADD " %12, %4, %4\n\t" MULTIPLY \
                " %8%{1to16%}, %14, %1\n\t" MULTIPLY " %3, %2, %0\n\t" MULTIPLY " %5, %4, %1"      \
                : "+v"(*sum0), "+v"(*sum1), "=&v"(left), "=&v"(right), "=&v"(terms1),              \
                  "=&v"(terms0)                                                                    \
                : "m"(*(const uint8_t(*)[4])a), "m"(*(const uint8_t(*)[4])(a + part)),             \
                  "m"(*(const uint8_t(*)[4])(a + 2 * part)), "v"(w[0].first), "v"(w[0].second),    \
                  "v"(w[0].alone), "v"(w[1].first), "v"(w[1].second), "v"(w[1].alone));            \
    }                                                                                              \
    /* The same for four bytes that are multiplied alone. */                                       \
    INLINE void ALONE(const uint8_t *a, __m512i w, __m512i *sum) {                                 \
        __asm__(MULTIPLY " %1%{1to16%}, %2, %0"                                                    \
                : "+v"(*sum)                                                                       \
                : "m"(*(const uint8_t(*)[4])a), "v"(w));                                           \
    }

CHUNK_STEPS(chunk, "vpaddb", "vpdpbusd", alone)

#endif
