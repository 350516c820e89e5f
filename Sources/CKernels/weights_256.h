// Slim and narrow softmax weights on 256-bit registers, 16 of them in 16 bits to a register, for
// int8_attention.h: `slim_weight` and `byte_weight` of functions.h. The file that includes this
// defines TARGET, INLINE and UNROLL.
#ifndef WEIGHTS_256_H
#define WEIGHTS_256_H

#include <immintrin.h>

#include "pack_avx2.h"

#define HAS_SMALL_WEIGHTS

// The weights of 16 exponents of 0..32767.
INLINE __m256i small_powers(__m256i e, const int is_slim) {
    const __m256i fraction = _mm256_slli_epi16(e, 5);
    __m256i power = _mm256_set1_epi16(is_slim ? SLIM_TERMS[2] : BYTE_TERMS[3]);
    UNROLL for (int i = is_slim ? 1 : 2; i >= 0; i--) power =
        _mm256_sub_epi16(_mm256_set1_epi16((short)(is_slim ? SLIM_TERMS[i] : BYTE_TERMS[i])),
                         _mm256_mulhi_epu16(fraction, power));
    // What shifts and rounds: 2^(7 - n), or 2^(8 - n), by n in the lower byte of a word. The upper
    // byte takes nothing.
    const __m256i n = _mm256_srli_epi16(e, WEIGHT_STEP_BITS);
    if (is_slim) {
        const __m256i factors = _mm256_broadcastsi128_si256(
            _mm_setr_epi8(-128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0));
        const __m256i places = _mm256_or_si256(n, _mm256_set1_epi16(INT16_MIN));
        return _mm256_mulhrs_epi16(power, _mm256_shuffle_epi8(factors, places));
    }
    const __m256i factors = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, -128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0));
    const __m256i first =
        _mm256_and_si256(_mm256_cmpeq_epi16(n, _mm256_setzero_si256()), _mm256_set1_epi16(256));
    return _mm256_mulhrs_epi16(power, _mm256_or_si256(_mm256_shuffle_epi8(factors, n), first));
}

// The weights of 16 scores in words, those of 128-bit lanes in turn as packing leaves them.
INLINE __m256i weights_of_16(const float *scores, __m256 peak, __m256 steps, const int is_slim) {
    __m256i exponents[2];
    // What is too far below the peak, or no number, becomes the lowest integer, and packed 32768.
    UNROLL for (size_t j = 0; j < 2; j++) exponents[j] = _mm256_cvtps_epi32(
        _mm256_mul_ps(_mm256_sub_ps(peak, _mm256_loadu_ps(scores + 8 * j)), steps));
    const __m256i e = _mm256_packs_epi32(exponents[0], exponents[1]);
    return small_powers(_mm256_min_epu16(e, _mm256_set1_epi16(INT16_MAX)), is_slim);
}

// Writes the weights of 32 scores as bytes or words, those that `keys` has bytes for and zeros
// elsewhere, and adds them by lanes.
INLINE __m256i weigh_32(const float *scores, __m256 peak, __m256 steps, const int is_slim,
                        const int as_bytes, __m256i keys, char *weights) {
    __m256i w[2];
    UNROLL for (size_t j = 0; j < 2; j++) w[j] =
        weights_of_16(scores + 16 * j, peak, steps, is_slim);
    if (as_bytes) {
        const __m256i bytes = _mm256_and_si256(in_order(_mm256_packus_epi16(w[0], w[1])), keys);
        _mm256_storeu_si256((__m256i *)weights, bytes);
        return _mm256_sad_epu8(bytes, _mm256_setzero_si256());
    }
    const __m128i halves[2] = {_mm256_castsi256_si128(keys), _mm256_extracti128_si256(keys, 1)};
    __m256i sums = _mm256_setzero_si256();
    UNROLL for (size_t j = 0; j < 2; j++) {
        const __m256i words =
            _mm256_and_si256(_mm256_permute4x64_epi64(w[j], 0xd8), _mm256_cvtepi8_epi16(halves[j]));
        _mm256_storeu_si256((__m256i *)(weights + 32 * j), words);
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
    }
    return sums;
}

INLINE integers small_weights(const int is_slim, const int as_bytes, const char *scores,
                              size_t count, float peak, float factor, char *weights) {
    const __m256 peaks = _mm256_set1_ps(peak), steps = _mm256_set1_ps(factor * WEIGHT_STEPS);
    const float *place = (const float *)scores;
    const size_t width = as_bytes ? 1 : 2;
    __m256i sums = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 32 <= count; i += 32)
        sums = _mm256_add_epi32(sums, weigh_32(place + i, peaks, steps, is_slim, as_bytes,
                                               _mm256_set1_epi8(-1), weights + width * i));
    if (i < count) {
        float rest[32] = {0};
        int8_t keys[32] = {0};
        memcpy(rest, place + i, (count - i) * sizeof *rest);
        memset(keys, -1, count - i);
        sums = _mm256_add_epi32(sums, weigh_32(rest, peaks, steps, is_slim, as_bytes,
                                               _mm256_loadu_si256((const __m256i *)keys),
                                               weights + width * i));
    }
    return (integers)sums;
}

#endif
