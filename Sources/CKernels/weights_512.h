// Slim and narrow softmax weights on 512-bit registers, 32 of them in 16 bits to a register, for
// int8_attention.h: `slim_weight` and `byte_weight` of functions.h. The file that includes this
// defines TARGET, INLINE and UNROLL.
#ifndef WEIGHTS_512_H
#define WEIGHTS_512_H

#include <immintrin.h>

#include "pack_avx512.h"

#define HAS_SMALL_WEIGHTS

// The weights of 32 exponents of 0..32767, or of 32768, whose weight is 0.
INLINE __m512i small_powers(__m512i e, const int is_slim) {
    const __m512i fraction = _mm512_slli_epi16(e, 5);
    __m512i power = _mm512_set1_epi16(is_slim ? SLIM_TERMS[2] : BYTE_TERMS[3]);
    UNROLL for (int i = is_slim ? 1 : 2; i >= 0; i--) power =
        _mm512_sub_epi16(_mm512_set1_epi16((short)(is_slim ? SLIM_TERMS[i] : BYTE_TERMS[i])),
                         _mm512_mulhi_epu16(fraction, power));
    power = _mm512_srlv_epi16(power, _mm512_srli_epi16(e, WEIGHT_STEP_BITS));
    // (power + 128) >> 8, or (power + 64) >> 7
    return _mm512_mulhrs_epi16(power, _mm512_set1_epi16(is_slim ? 128 : 256));
}

// The weights of 64 scores, or of the first `count`, with zeros behind them.
INLINE __m512i weights_of_64(const float *scores, __m512 peak, __m512 steps, const int is_slim,
                             const int all, size_t count) {
    __m512i exponents[4], powers[2];
    UNROLL for (size_t j = 0; j < 4; j++) {
        const size_t left = count > j * LANES ? count - j * LANES : 0;
        const __mmask16 keys =
            all || left >= LANES ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
        const __m512 score = _mm512_maskz_loadu_ps(keys, scores + j * LANES);
        // What is too far below the peak, or no number, becomes the lowest integer, and packed
        // 32768; so does what has no key.
        exponents[j] = _mm512_mask_cvtps_epi32(_mm512_set1_epi32(INT32_MIN), keys,
                                               _mm512_mul_ps(_mm512_sub_ps(peak, score), steps));
    }
    UNROLL for (size_t j = 0; j < 2; j++) {
        const __m512i e = _mm512_packs_epi32(exponents[2 * j], exponents[2 * j + 1]);
        powers[j] = small_powers(e, is_slim);
    }
    return in_order(_mm512_packus_epi16(powers[0], powers[1]));
}

INLINE integers small_weights(const int is_slim, const int as_bytes, const char *scores,
                              size_t count, float peak, float factor, char *weights) {
    (void)as_bytes; // always
    const __m512 peaks = _mm512_set1_ps(peak), steps = _mm512_set1_ps(factor * WEIGHT_STEPS);
    const float *place = (const float *)scores;
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sums = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 64 <= count; i += 64) {
        const __m512i w = weights_of_64(place + i, peaks, steps, is_slim, 1, 64);
        _mm512_storeu_si512(weights + i, w);
        sums = _mm512_dpbusd_epi32(sums, w, ones);
    }
    if (i < count) {
        const __m512i w = weights_of_64(place + i, peaks, steps, is_slim, 0, count - i);
        _mm512_storeu_si512(weights + i, w);
        sums = _mm512_dpbusd_epi32(sums, w, ones);
    }
    return (integers)sums;
}

#endif
