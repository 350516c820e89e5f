// Int8 attention with AVX-512 VNNI and, for words and slim bytes, most of the multiplications by
// the fast inner product: tiles of 10 queries x 32 keys or channels, 20 registers of sums.
#if defined(__x86_64__)
#define TABLE declip_int8_attention_avx512fip
#define ROWS 10
#define PANELS 2
#include "int8_attention_512.h"

#include "fast_inner_512.h"

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
