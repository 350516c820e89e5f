// Int8 attention with AVX-512 VNNI and, for slim operands, most of the multiplications by the fast
// inner product: tiles of 10 queries x 32 keys or channels, 20 registers of sums.
#if defined(__x86_64__)
#define TABLE declip_int8_attention_avx512fip
#define ROWS 10
#define PANELS 2
#include "int8_attention_512.h"

#include "fast_inner_512.h"

#define HAS_SLIM 1

// Every part but a' takes its weights with 64 added; terms behind whole chunks are multiplied
// alone.
INLINE void slim_panel(char *panel, size_t group, size_t terms, int32_t excess[16]) {
    const size_t whole = terms / CHUNK * CHUNK;
    int8_t *place = (int8_t *)panel;
    __m512i columns = _mm512_setzero_si512();
    for (size_t i = 0; i < whole; i += CHUNK) {
        for (size_t j = 0; j < PART; j += 4)
            split_weights(place + (i + j) / 4 * group, PART / 4 * group, &columns);
    }
    for (size_t i = whole; i < terms; i += 4) {
        int8_t *alone = place + i / 4 * group;
        const __m512i weights = _mm512_loadu_si512(alone);
        _mm512_storeu_si512(alone, _mm512_add_epi8(weights, _mm512_set1_epi8(MIDDLE)));
    }
    _mm512_storeu_si512(excess, columns);
}

INLINE int32_t slim_row(const char *row, size_t terms, integers total) {
    __m128i sum = _mm_setzero_si128();
    for (size_t i = 0; i + CHUNK <= terms; i += CHUNK)
        sum = split_row(sum, (const uint8_t *)row + i);
    const __m512i every = _mm512_slli_epi32((__m512i)total, 6);
    return _mm512_reduce_add_epi32(_mm512_add_epi32(every, _mm512_zextsi128_si512(sum)));
}

INLINE void slim_products(const size_t P, const char *rows, const size_t stride, const char *panels,
                          size_t panel, size_t group, size_t terms, integers sums[ROWS][PANELS]) {
    const size_t part = PART / 4 * group;
    for (; terms >= CHUNK; terms -= CHUNK, rows += 2 * PART, panels += 2 * part) {
        for (size_t step = 0; step < PART; step += 4, rows += 4, panels += group) {
            __asm__("" : "+r"(rows));
            chunk_weights weights[2];
            UNROLL for (size_t p = 0; p < P; p++) {
                const char *place = panels + p * panel;
                weights[p].first = _mm512_loadu_si512(place);
                weights[p].second = _mm512_loadu_si512(place + part);
                weights[p].alone = _mm512_loadu_si512(place + 2 * part);
            }
            UNROLL for (size_t r = 0; r < ROWS; r++) {
                const uint8_t *a = (const uint8_t *)rows + r * stride;
                if (P > 1) {
                    chunk_two(a, weights, (__m512i *)&sums[r][0], (__m512i *)&sums[r][1]);
                } else {
                    chunk_one(a, weights, (__m512i *)&sums[r][0]);
                }
            }
        }
    }
    for (size_t i = 0; i < terms; i += 4, rows += 4, panels += group) {
        __asm__("" : "+r"(rows));
        __m512i weights[PANELS];
        UNROLL for (size_t p = 0; p < P; p++) weights[p] = _mm512_loadu_si512(panels + p * panel);
        UNROLL for (size_t r = 0; r < ROWS; r++) {
            UNROLL for (size_t p = 0; p < P; p++)
                alone((const uint8_t *)rows + r * stride, weights[p], (__m512i *)&sums[r][p]);
        }
    }
}

#include "int8_attention_vnni.h"
#else
typedef int declip_int8_attention_avx512fip_is_not_built; // an empty translation unit is not C
#endif
