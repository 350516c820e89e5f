// Int8 attention with AVX-512 VNNI and, for words and slim bytes, most of the multiplications by
// the fast inner product: tiles of 10 queries x 32 keys or channels, 20 registers of sums.
#if defined(__x86_64__)
#define TABLE declip_int8_attention_avx512fip
#define ROWS 10
#define PANELS 2
#include "int8_attention_512.h"

#include "fast_inner_512.h"
#include "functions.h"
#include "pack_avx512.h"

#define HAS_SPLIT 1
#define SPLITS_WORDS 1
#define ROW_EXCESS 1
#define HAS_BOUNDS 0

// Words, of 14 bits at most, are signed and their sums fit: nothing is added to them.
CHUNK_STEPS(words, "vpaddw", "vpdpwssd", alone_words)

// Bytes of a part: of a whole chunk of keys as many as there are, by which a row's sums are found
// fast and few terms are left alone.
enum {
    BYTE_PART = PART,
    WIDE_BYTE_PART = DECLIP_INT8_CHUNK_SLIM / 3,
    WORD_PART = 2 * PART,
    WIDE_WORD_PART = 80,
};

INLINE size_t part_of(const operands kind, size_t size) {
    if (kind == WORDS)
        return size == 2 * DECLIP_INT8_CHUNK_WIDE ? WIDE_WORD_PART : WORD_PART;
    return size == DECLIP_INT8_CHUNK_SLIM ? WIDE_BYTE_PART : BYTE_PART;
}

static size_t split_extra(const operands kind, size_t size) {
    (void)kind, (void)size;
    return 0;
}

// Every part of bytes but a' takes its weights with 64 added; what is behind whole chunks is
// multiplied alone.
INLINE void split_panel(const operands kind, char *panel, size_t group, size_t size,
                        int32_t excess[16], char *extra) {
    (void)extra;
    const size_t part = part_of(kind, size), whole = size / (3 * part) * 3 * part;
    const size_t distance = part / 4 * group;
    int8_t *place = (int8_t *)panel;
    __m512i columns = _mm512_setzero_si512();
    for (size_t i = 0; i < whole; i += 3 * part) {
        for (size_t j = 0; j < part; j += 4) {
            int8_t *first = place + (i + j) / 4 * group;
            if (kind == WORDS) {
                columns = _mm512_dpwssd_epi32(columns, _mm512_loadu_si512(first),
                                              _mm512_loadu_si512(first + distance));
            } else {
                split_weights(first, distance, &columns);
            }
        }
    }
    for (size_t i = whole; kind != WORDS && i < size; i += 4) {
        int8_t *alone = place + i / 4 * group;
        const __m512i weights = _mm512_loadu_si512(alone);
        _mm512_storeu_si512(alone, _mm512_add_epi8(weights, _mm512_set1_epi8(MIDDLE)));
    }
    _mm512_storeu_si512(excess, columns);
}

// The slim weights of 64 scores, or of the first `count`, with zeros behind them.
INLINE __m512i weights_of_64(const float *scores, __m512 peak, __m512 steps, const int all,
                             size_t count) {
    // 2^(8 + n) by the lowest bits of n, which is -1 to -16; the upper byte of a word takes the 0
    // of the lowest.
    const __m512i whole_powers = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, -128));
    __m512i exponents[4], powers[2];
    UNROLL for (size_t j = 0; j < 4; j++) {
        const size_t left = count > j * LANES ? count - j * LANES : 0;
        const __mmask16 keys =
            all || left >= LANES ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
        const __m512 score = _mm512_maskz_loadu_ps(keys, scores + j * LANES);
        // What is too far below 0, or no number, becomes the lowest integer, as where there is no
        // key.
        exponents[j] = _mm512_mask_cvtps_epi32(_mm512_set1_epi32(INT32_MIN), keys,
                                               _mm512_mul_ps(_mm512_sub_ps(score, peak), steps));
    }
    UNROLL for (size_t j = 0; j < 2; j++) {
        const __m512i e =
            _mm512_min_epi16(_mm512_packs_epi32(exponents[2 * j], exponents[2 * j + 1]),
                             _mm512_set1_epi16(-1));
        const __m512i fraction = _mm512_slli_epi16(e, 5);
        __m512i power = _mm512_mulhi_epu16(fraction, _mm512_set1_epi16(SLIM_POWER));
        power = _mm512_add_epi16(power, _mm512_set1_epi16(SLIM_SLOPE));
        power = _mm512_mulhi_epu16(fraction, power);
        power = _mm512_add_epi16(power, _mm512_set1_epi16(SLIM_ONE));
        powers[j] = _mm512_mulhrs_epi16(
            power, _mm512_shuffle_epi8(whole_powers, _mm512_srli_epi16(e, 11)));
    }
    return in_order(_mm512_packus_epi16(powers[0], powers[1]));
}

INLINE integers slim_weights(const char *scores, size_t count, float peak, float factor,
                             char *weights) {
    const __m512 peaks = _mm512_set1_ps(peak), steps = _mm512_set1_ps(factor * SLIM_STEPS);
    const float *place = (const float *)scores;
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sums = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 64 <= count; i += 64) {
        const __m512i w = weights_of_64(place + i, peaks, steps, 1, 64);
        _mm512_storeu_si512(weights + i, w);
        sums = _mm512_dpbusd_epi32(sums, w, ones);
    }
    if (i < count) {
        const __m512i w = weights_of_64(place + i, peaks, steps, 0, count - i);
        _mm512_storeu_si512(weights + i, w);
        sums = _mm512_dpbusd_epi32(sums, w, ones);
    }
    return (integers)sums;
}

INLINE int32_t split_row(const operands kind, const char *row, size_t size, integers total) {
    const size_t part = part_of(kind, size);
    if (kind == SLIM && part == WIDE_BYTE_PART) {
        const __m512i first = _mm512_loadu_si512(row), second = _mm512_loadu_si512(row + part);
        const __m512i every = _mm512_slli_epi32((__m512i)total, 6);
        return _mm512_reduce_add_epi32(
            _mm512_dpbusd_epi32(every, second, _mm512_xor_si512(first, _mm512_set1_epi8(-128))));
    }
    __m128i split = _mm_setzero_si128();
    for (size_t i = 0; i + 3 * part <= size; i += 3 * part) {
        for (size_t j = 0; j < part; j += sizeof split) {
            const char *first = row + i + j;
            split = kind == WORDS
                        ? _mm_dpwssd_epi32(split, _mm_loadu_si128((const __m128i *)first),
                                           _mm_loadu_si128((const __m128i *)(first + part)))
                        : split_terms(split, (const uint8_t *)first);
        }
    }
    __m512i sum = _mm512_zextsi128_si512(split);
    if (kind == SLIM)
        sum = _mm512_add_epi32(sum, _mm512_slli_epi32((__m512i)total, 6));
    return _mm512_reduce_add_epi32(sum);
}

// The same for parts of a size.
INLINE void part_products(const operands kind, const size_t part, const size_t P, const char *rows,
                          const size_t stride, const char *panels, size_t panel, size_t group,
                          size_t size, integers sums[ROWS][PANELS]) {
    const size_t distance = part / 4 * group;
    for (; size >= 3 * part; size -= 3 * part, rows += 2 * part, panels += 2 * distance) {
        for (size_t step = 0; step < part; step += 4, rows += 4, panels += group) {
            __asm__("" : "+r"(rows));
            chunk_weights w[2];
            UNROLL for (size_t p = 0; p < P; p++) {
                const char *place = panels + p * panel;
                w[p].first = _mm512_loadu_si512(place);
                w[p].second = _mm512_loadu_si512(place + distance);
                w[p].alone = _mm512_loadu_si512(place + 2 * distance);
            }
            UNROLL for (size_t r = 0; r < ROWS; r++) {
                const uint8_t *a = (const uint8_t *)rows + r * stride;
                __m512i *sum0 = (__m512i *)&sums[r][0], *sum1 = (__m512i *)&sums[r][1];
                if (kind == WORDS) {
                    if (P > 1)
                        words_two(a, part, w, sum0, sum1);
                    else
                        words_one(a, part, w, sum0);
                } else if (P > 1) {
                    chunk_two(a, part, w, sum0, sum1);
                } else {
                    chunk_one(a, part, w, sum0);
                }
            }
        }
    }
    for (size_t i = 0; i < size; i += 4, rows += 4, panels += group) {
        __asm__("" : "+r"(rows));
        __m512i w[PANELS];
        UNROLL for (size_t p = 0; p < P; p++) w[p] = _mm512_loadu_si512(panels + p * panel);
        UNROLL for (size_t r = 0; r < ROWS; r++) {
            const uint8_t *a = (const uint8_t *)rows + r * stride;
            UNROLL for (size_t p = 0; p < P; p++) {
                if (kind == WORDS)
                    alone_words(a, w[p], (__m512i *)&sums[r][p]);
                else
                    alone(a, w[p], (__m512i *)&sums[r][p]);
            }
        }
    }
}

INLINE void split_products(const operands kind, const size_t P, const char *rows,
                           const size_t stride, const char *panels, size_t panel, size_t group,
                           size_t size, const char *extra, split_bounds bounds,
                           integers sums[ROWS][PANELS]) {
    (void)extra, (void)bounds;
    const size_t usual = kind == WORDS ? WORD_PART : BYTE_PART;
    const size_t wide = kind == WORDS ? WIDE_WORD_PART : WIDE_BYTE_PART;
    if (part_of(kind, size) == wide) {
        part_products(kind, wide, P, rows, stride, panels, panel, group, size, sums);
    } else {
        part_products(kind, usual, P, rows, stride, panels, panel, group, size, sums);
    }
}

#include "int8_attention_vnni.h"
#else
typedef int declip_int8_attention_avx512fip_is_not_built; // an empty translation unit is not C
#endif
